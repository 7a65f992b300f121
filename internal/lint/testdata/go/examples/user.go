package examples

func user(f func()) { go f() }
