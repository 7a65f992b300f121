package library

func inTest(f func()) { go f() }
