package stream_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/vicuna-go/vicuna/stream"
)

// The last line of a job says what it has done.
func ExampleControl_Summary() {
	words := stream.Map(stream.FromSlice([]string{"a", "b", "c"}), strings.ToUpper).Named("upper")
	ctl, err := words.To(stream.Ignore[string]()).Start(context.Background())
	if err != nil {
		return
	}
	<-ctl.Done()
	s := ctl.Summary()
	fmt.Println("in", s.In, "written", s.Written, "committed", s.Committed)
	for _, st := range s.Stages {
		fmt.Println(st.Name, st.In)
	}
	// Output:
	// in 3 written 0 committed 0
	// slice 3
	// upper 3
	// ignore 3
}
