package streamtest_test

import "runtime"

func init() { debugStacks = func() string { b := make([]byte, 1<<20); return string(b[:runtime.Stack(b, true)]) } }
