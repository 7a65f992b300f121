package settings

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kgo"
)

// probe is what a client made of some options would be like.
type probe struct {
	values map[string]any // by the name of a kgo option
}

// probeOptions asks franz-go what opts come to, or what it finds wrong with
// them. Options are opaque functions over an unexported struct; a client made of
// them is the one thing that shows their values.
//
// The client must not come to life for that. Making one starts goroutines and
// calls the user's hooks, and a metrics hook registers what belongs to a client:
// its next use would count into the probe's. So the probe has a hook of its own
// before all others. franz-go calls it when the client is configured and nothing
// has been started; it reads the values and unwinds NewClient with a panic, which
// is caught here. Nothing is left: no goroutine, no connection, no other hook
// called.
func probeOptions(names []string, opts ...kgo.Opt) (p *probe, err error) {
	reader := &probeHook{names: names}
	defer func() {
		if v := recover(); v != nil {
			if v != any(reader) {
				panic(v) // not ours: a nil function in an option, say
			}
			p = &probe{values: reader.values}
		}
	}()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.WithHooks(reader)}, opts...)...)
	if err != nil {
		return nil, err
	}
	cl.Close() // the hook was not called; cannot be
	return &probe{}, nil
}

type probeHook struct {
	names  []string
	values map[string]any
}

func (h *probeHook) OnNewClient(cl *kgo.Client) {
	h.values = make(map[string]any, len(h.names))
	for _, name := range h.names {
		h.values[name] = cl.OptValue(name)
	}
	panic(h)
}

// sameCode is how equal compares functions unless told otherwise: by their code.
// It takes two functions for different too often rather than too rarely, since
// the compiler copies what it inlines.
func sameCode(a, b reflect.Value) bool { return a.Pointer() == b.Pointer() }

// anyFunc takes all functions for equal.
func anyFunc(_, _ reflect.Value) bool { return true }

// equal compares two values of an option, which may hold unexported structs and
// functions.
func equal(a, b any, funcs func(a, b reflect.Value) bool) bool {
	return equalValues(reflect.ValueOf(a), reflect.ValueOf(b), funcs, 0)
}

// maxDepth ends the comparison of what refers to itself.
const maxDepth = 16

func equalValues(a, b reflect.Value, funcs func(a, b reflect.Value) bool, depth int) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	if a.Type() != b.Type() || depth > maxDepth {
		return false
	}
	same := func(x, y reflect.Value) bool { return equalValues(x, y, funcs, depth+1) }
	switch a.Kind() {
	case reflect.Func:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return funcs(a, b)
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() || a.Pointer() == b.Pointer() {
			return a.Pointer() == b.Pointer()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Interface:
		return same(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if !same(a.MapIndex(k), b.MapIndex(k)) {
				return false
			}
		}
		return true
	default:
		return a.Equal(b)
	}
}
