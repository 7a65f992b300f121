package library

import (
	"errors"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

func init() {} // want `func init`

type T struct{ n int }

func (T) init() {}

var (
	_ = T{}

	errA   = errors.New("a")
	form   = regexp.MustCompile("a")
	table  = []int{1}
	longer = append(slices.Clone(table), 2)
	alias  = errA
	f      = func() {}
	number = -1
)

var zero int // want `zero is state: it has no value from the start`

var (
	pointer = &T{}                      // want `pointer is state: its value can change`
	pool    = sync.Pool{}               // want `pool is state: its value can change`
	counter = atomic.Int64{}            // want `counter is state: its value can change`
	made    = make(map[int]int)         // want `made is state: its value can change`
	at      = func() int { return 1 }() // want `at is state: its value can change`
)

var (
	assigned  = 1                 // want `assigned is state: the package changes it`
	counted   = 1                 // want `counted is state: the package changes it`
	addressed = T{}               // want `addressed is state: the package changes it`
	part      = T{}               // want `part is state: the package changes it`
	element   = []int{1}          // want `element is state: the package changes it`
	deleted   = map[int]int{1: 1} // want `deleted is state: the package changes it`
	ranged    = 1                 // want `ranged is state: the package changes it`
)

func two() (int, int) { return 1, 2 }
