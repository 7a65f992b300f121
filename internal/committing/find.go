package committing

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/vicuna-go/vicuna/envelope"
)

// Finder finds the offsets that elements of one type carry. Where they lie is decided once, by the
// type: FinderOf makes a chain of functions that know the distances of fields, so that an element
// costs a few indirect calls and loads, and no allocation. Reflection for each element would be an
// interface, and so an allocation, for each struct; a function of the user's to pick the offset is
// what a Finder saves.
//
// What is found, of a type:
//
//   - an envelope.Committable is its own offset;
//   - an envelope.Carrier says what its offset is, and nothing else of it is looked at;
//   - a struct carries what its exported and embedded fields carry, all of them. An offset that two
//     fields show is one: it was handed over once with the element, and is answered once;
//   - a pointer carries what it points to, nil nothing;
//   - a slice or array carries what its elements carry, each by itself: two parts of one record in
//     a batch were two hand-overs;
//   - an interface with a method Pass, as envelope.Results has, carries what Pass returns.
//
// A struct that embeds a Committable is one too, by promotion. It is looked at as a struct: the
// offset in it may be a consumer's, of which Commit says more than that one element is finished.
//
// A Finder is one goroutine's.
type Finder[T any] struct {
	find    find
	element T // the one in hand: a fixed place, so that none escapes to the heap
	found   []envelope.Committable
}

// find appends the offsets of the value at p.
type find func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable

// FinderOf returns the finder of a type; nil where its elements can carry no offset, with a reason
// where there is a nearer one than that nothing of it is an offset.
func FinderOf[T any]() (f *Finder[T], reason string) {
	c := finderCompiler{open: map[reflect.Type]bool{}}
	at := c.compile(reflect.TypeFor[T]())
	if at == nil || c.recursive != nil {
		return nil, c.reason()
	}
	return &Finder[T]{find: at}, ""
}

// Find returns the offsets of an element, those that are nil left out. They are valid until Forget,
// which is to be called before the next element.
func (f *Finder[T]) Find(v T) []envelope.Committable {
	f.element = v
	f.found = f.find(unsafe.Pointer(&f.element), f.found[:0])
	return f.found
}

// Forget lets go of the element that was looked at last, and of its offsets.
func (f *Finder[T]) Forget() {
	var none T
	f.element = none
	clear(f.found)
	f.found = f.found[:0]
}

var (
	committableType = reflect.TypeFor[envelope.Committable]()
	carrierType     = reflect.TypeFor[envelope.Carrier]()
)

// finderCompiler makes the functions of one type, and remembers why it could not.
type finderCompiler struct {
	open      map[reflect.Type]bool // those that are being looked at; true: met again within itself
	recursive reflect.Type          // the first that carries offsets and contains itself
	// the first field that would carry an offset if it were exported
	hidden string
}

func (c *finderCompiler) reason() string {
	switch {
	case c.recursive != nil:
		return fmt.Sprintf("%v contains itself, so that there is no end to looking", c.recursive)
	case c.hidden != "":
		return "its field " + c.hidden + " is not exported"
	}
	return ""
}

// compile returns what finds the offsets in a value of the type, nil where there are none.
func (c *finderCompiler) compile(t reflect.Type) find {
	if _, within := c.open[t]; within {
		c.open[t] = true
		return nil
	}
	c.open[t] = false
	f := c.compileNew(t)
	if c.open[t] && f != nil && c.recursive == nil {
		c.recursive = t
	}
	delete(c.open, t)
	return f
}

func (c *finderCompiler) compileNew(t reflect.Type) find {
	switch {
	case t == committableType:
		return findCommittable
	case t.Implements(carrierType):
		return findCarrier(t)
	case t.Implements(committableType) && !embedsCommittable(t):
		return findImplementation(t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return findPointer(c.compile(t.Elem()))
	case reflect.Slice:
		return findSlice(c.compile(t.Elem()), t.Elem().Size())
	case reflect.Array:
		return findArray(c.compile(t.Elem()), t.Elem().Size(), t.Len())
	case reflect.Struct:
		return c.structure(t)
	case reflect.Interface:
		return c.passing(t)
	}
	return nil
}

// embedsCommittable reports whether a struct, or what a pointer points to, has its Commit from an
// embedded field.
func embedsCommittable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && (f.Type.Implements(committableType) || reflect.PointerTo(f.Type).Implements(committableType)) {
			return true
		}
	}
	return false
}

func findCommittable(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
	if c := *(*envelope.Committable)(p); c != nil {
		return append(to, c)
	}
	return to
}

// valueAt returns what makes an interface of a value of the type where it lies; nil of a nil
// pointer or interface. It allocates nothing: what is no pointer is taken by its address.
func valueAt(t reflect.Type) func(p unsafe.Pointer) any {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return func(p unsafe.Pointer) any {
			v := reflect.NewAt(t, p).Elem()
			if v.IsNil() {
				return nil
			}
			return v.Interface()
		}
	}
	return func(p unsafe.Pointer) any { return reflect.NewAt(t, p).Interface() }
}

func findImplementation(t reflect.Type) find {
	value := valueAt(t)
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		if c, ok := value(p).(envelope.Committable); ok {
			return append(to, c)
		}
		return to
	}
}

func findCarrier(t reflect.Type) find {
	value := valueAt(t)
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		carrier, ok := value(p).(envelope.Carrier)
		if !ok {
			return to
		}
		if c := carrier.Committable(); c != nil {
			return append(to, c)
		}
		return to
	}
}

func findPointer(elem find) find {
	if elem == nil {
		return nil
	}
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return to
		}
		return elem(p, to)
	}
}

func findSlice(elem find, size uintptr) find {
	if elem == nil {
		return nil
	}
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		s := *(*[]struct{})(p) // its length is true, whatever its elements are
		at := unsafe.Pointer(unsafe.SliceData(s))
		for i := range len(s) {
			to = elem(unsafe.Add(at, uintptr(i)*size), to)
		}
		return to
	}
}

func findArray(elem find, size uintptr, n int) find {
	if elem == nil || n == 0 {
		return nil
	}
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		for i := range n {
			to = elem(unsafe.Add(p, uintptr(i)*size), to)
		}
		return to
	}
}

// structure finds the offsets of a struct's fields.
func (c *finderCompiler) structure(t reflect.Type) find {
	type field struct {
		at   uintptr
		find find
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous {
			if c.hidden == "" && f.Type == committableType {
				c.hidden = fmt.Sprintf("%v.%s", t, f.Name)
			}
			continue
		}
		if find := c.compile(f.Type); find != nil {
			fields = append(fields, field{f.Offset, find})
		}
	}
	switch len(fields) {
	case 0:
		return nil
	case 1:
		one := fields[0]
		return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
			return one.find(unsafe.Add(p, one.at), to)
		}
	}
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		start := len(to)
		for _, f := range fields {
			known := len(to)
			to = withoutKnown(f.find(unsafe.Add(p, f.at), to), start, known)
		}
		return to
	}
}

// withoutKnown drops those consumers' offsets from known on that stand from start to known too.
// Others may be of a type that cannot be compared, and their Commit may be called twice.
func withoutKnown(to []envelope.Committable, start, known int) []envelope.Committable {
	if start == known {
		return to
	}
	kept := to[:known]
	for _, c := range to[known:] {
		if _, of := c.(Offset); !of || !isIn(to[start:known], c) {
			kept = append(kept, c)
		}
	}
	clear(to[len(kept):])
	return kept
}

func isIn(cs []envelope.Committable, c envelope.Committable) bool {
	for _, known := range cs {
		if known == c {
			return true
		}
	}
	return false
}

// passing finds the offset that an interface's Pass returns. That is a Committable mostly, and
// asked for. Else this module's own results and envelopes, which are sealed, are looked at by the
// type that the interface holds, which is compiled when it is met; and only what is neither is
// called by reflection.
func (c *finderCompiler) passing(t reflect.Type) find {
	pass, ok := t.MethodByName("Pass")
	if !ok || pass.Type.NumIn() != 0 || pass.Type.NumOut() != 1 {
		return nil
	}
	value := valueAt(t)
	if pass.Type.Out(0) == committableType {
		return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
			if v, ok := value(p).(interface{ Pass() envelope.Committable }); ok {
				if c := v.Pass(); c != nil {
					return append(to, c)
				}
			}
			return to
		}
	}
	passed := c.compile(pass.Type.Out(0))
	if passed == nil {
		return nil
	}
	byType := map[reflect.Type]find{}
	return func(p unsafe.Pointer, to []envelope.Committable) []envelope.Committable {
		held := value(p)
		if held == nil {
			return to
		}
		v := reflect.ValueOf(held)
		f, known := byType[v.Type()]
		if !known {
			f = ofEnvelope(v.Type())
			byType[v.Type()] = f
		}
		switch {
		case f == nil:
			return findPassed(v, passed, to)
		case v.IsNil():
			return to
		}
		return f(v.UnsafePointer(), to)
	}
}

// ofEnvelope is the function for what a pointer of package envelope points to, nil for other types.
func ofEnvelope(t reflect.Type) find {
	if t.Kind() != reflect.Pointer || t.Elem().PkgPath() != carrierType.PkgPath() {
		return nil
	}
	c := finderCompiler{open: map[reflect.Type]bool{}}
	if f := c.compile(t.Elem()); c.recursive == nil {
		return f
	}
	return nil
}

// findPassed calls Pass by reflection.
func findPassed(v reflect.Value, passed find, to []envelope.Committable) []envelope.Committable {
	got := v.MethodByName("Pass").Call(nil)[0]
	at := reflect.New(got.Type())
	at.Elem().Set(got)
	return passed(at.UnsafePointer(), to)
}
