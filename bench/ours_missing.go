//go:build !ours

package main

func oursPlainSink(int) *side           { return nil }
func oursFlexiFlow(int) *side           { return nil }
func oursElement(int) *side             { return nil }
func oursMaps(int) *side                { return nil }
func oursMapsPtr(int) *side             { return nil }
func oursTokens(int) *side              { return nil }
func oursBoundary(int) *side            { return nil }
func oursMapAsync(int, asyncCall) *side { return nil }
