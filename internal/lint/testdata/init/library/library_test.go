package library

var inTest int

func init() {} // want `func init`

func change() { number = 2 }
