package library

import "context"

var inTest = context.Background()
