package main

var state int

func main() { state++ }
