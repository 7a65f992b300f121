package none

import "testing"

func TestMore(t *testing.T) {}
