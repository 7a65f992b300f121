// Package library has a comment of its own.
package library

// Fine is in order.
type Fine struct{}

// A Kind may have an article.
type Kind int

// want(+2) `begins with "This" and not with wrong`

// This is no beginning.
type wrong struct{}

// want(+2) `Bare has no comment`

type Bare struct{}

type bare struct{}

// Do does.
func (f *Fine) Do() {}

// want(+2) `begins with "Does" and not with do`

// Does.
func (f *Fine) do() {}

func (f *Fine) Other() {} // want `Fine.Other has no comment`

func (f Fine) String() string { return "" }

func (b bare) Do() {}

func Function() {} // want `Function has no comment`

// Deprecated: use Function.
func Old() {}

//go:noinline
func directive() {}

// The kinds.
const (
	One Kind = iota
	// Two is the second.
	Two
	// want(+2) `begins with "the" and not with three`

	// the third
	three
)

const (
	Four Kind = 4 // a comment at the end
	// Five is the fifth, and want(+1) speaks of the next: // want(+2) `Six has no comment`
	Five Kind = 5
	Six  Kind = 6
)

// first and second stand together.
var first, second int

// want(+2) `begins with "What" and not with a or b`

// What is this?
var a, b int

// Anything may stand above what has no name.
var _ = first
