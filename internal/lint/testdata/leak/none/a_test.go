package none // want `nothing looks for goroutines`

import "testing"

func TestSomething(t *testing.T) {}
