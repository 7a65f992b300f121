package core

import "errors"

// Builder builds a graph into a run: from each sink to its sources.
type Builder struct {
	Run  *Run
	name string
	errs []error
}

// Rename gives the next stage that is built a name of the user's.
func (b *Builder) Rename(name string) { b.name = name }

// Name returns the name that the user gave the stage that is being built, or its kind.
func (b *Builder) Name(kind string) string {
	if n := b.name; n != "" {
		b.name = ""
		return n
	}
	return kind
}

// Fail notes why the graph cannot run; building goes on so that all problems are found.
func (b *Builder) Fail(err error) { b.errs = append(b.errs, err) }

// Err is all that Fail has noted.
func (b *Builder) Err() error { return errors.Join(b.errs...) }
