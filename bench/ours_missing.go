//go:build !ours

package main

func oursPlainSink(int) *side { return nil }
func oursFlexiFlow(int) *side { return nil }
func oursElement(int) *side   { return nil }
