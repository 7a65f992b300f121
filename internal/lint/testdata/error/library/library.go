package library

import (
	"errors"
	"fmt"
)

var (
	ErrFine      = errors.New("vicuna: fine")
	ErrFormatted = fmt.Errorf("vicuna: %w", ErrFine)
	ErrBare      = errors.New("bare")                 // want `the text of ErrBare does not begin`
	ErrWrapped   = fmt.Errorf("wrapped: %w", ErrFine) // want `the text of ErrWrapped does not begin`
	ErrNear      = errors.New("vicunas: near")        // want `the text of ErrNear does not begin`
	ErrAlias     = ErrFine

	errInside = errors.New("inside")
)

type FineError struct{ topic string }

func (e *FineError) Error() string {
	if e.topic == "" {
		return "vicuna: no topic"
	}
	return "vicuna: " + e.topic
}

type BareError struct{}

func (BareError) Error() string { return "bare" } // want `what BareError.Error returns does not begin`

type CauseError struct{ cause error }

func (e CauseError) Error() string { return e.cause.Error() } // want `what CauseError.Error returns`

type insideError struct{}

func (insideError) Error() string { return "inside" }

type Report struct{}

// Error is another method of that name.
func (Report) Error(text string) { fmt.Println("text", text) }
