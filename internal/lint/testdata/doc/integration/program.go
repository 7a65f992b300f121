package integration

func Exported() {}

// want(+2) `begins with "Other" and not with wrong`

// Other programs keep the form too.
func wrong() {}
