package main

// The functions of P9's chains: three maps and a filter. The filter counts what
// it keeps, on every side, and the count is checked afterwards: a side that did
// not do the work gives no figure.

type intChain struct{ kept int }

func (c *intChain) add(x int) int  { return x + 1 }
func (c *intChain) mul(x int) int  { return x * 3 }
func (c *intChain) flip(x int) int { return x ^ 5 }

func (c *intChain) keep(x int) bool {
	if x&7 == 7 {
		return false
	}
	c.kept++
	return true
}

// intLoop is the same without any stream.
func intLoop(in []int) (kept int) {
	for _, x := range in {
		x++
		x *= 3
		x ^= 5
		if x&7 != 7 {
			kept++
		}
	}
	return kept
}

// check compares with what a loop keeps of n elements, in passes over in.
func (c *intChain) check(in []int, n int) error {
	want := 0
	_ = passes(n, func(n int) error {
		want += intLoop(in[:n])
		return nil
	})
	return same("elements kept", c.kept, want)
}

// item is an element that travels as a pointer. Its maps lead to another item and
// write nothing: what they cost themselves is a load each.
type item struct {
	id   int
	next *item
}

// items repeats a few of them: a source of many that all differ would measure
// the memory.
func items(n int) []*item {
	few := make([]item, 1024)
	for i := range few {
		few[i] = item{id: i, next: &few[(i+1)%len(few)]}
	}
	in := make([]*item, min(n, sourceSize))
	for i := range in {
		in[i] = &few[i%len(few)]
	}
	return in
}

type itemChain struct{ kept int }

func (c *itemChain) first(x *item) *item  { return x.next }
func (c *itemChain) second(x *item) *item { return x.next }
func (c *itemChain) third(x *item) *item  { return x.next }

func (c *itemChain) keep(x *item) bool {
	if x.id&7 == 7 {
		return false
	}
	c.kept++
	return true
}

func itemLoop(in []*item) (kept int) {
	for _, x := range in {
		if x.next.next.next.id&7 != 7 {
			kept++
		}
	}
	return kept
}

func (c *itemChain) check(in []*item, n int) error {
	want := 0
	_ = passes(n, func(n int) error {
		want += itemLoop(in[:n])
		return nil
	})
	return same("elements kept", c.kept, want)
}
