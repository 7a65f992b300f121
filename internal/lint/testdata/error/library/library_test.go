package library

import "errors"

var ErrTest = errors.New("test")
