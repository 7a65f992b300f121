package library

import "context"

var root = context.Background() // want `take the caller's`

func make() context.Context {
	if root.Err() != nil {
		return context.TODO() // want `take the caller's`
	}
	ctx, cancel := context.WithCancel(context.Background()) // want `take the caller's`
	defer cancel()
	f := context.Background // want `take the caller's`
	return context.WithoutCancel(context.WithValue(ctx, 1, f))
}
