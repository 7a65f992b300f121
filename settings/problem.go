package settings

import "strings"

// Problem is one thing that is wrong with a configuration. The settings' Err
// joins all of them; [errors.As] finds the first, and the joined error's
// Unwrap() []error has each.
type Problem struct {
	// Setting is the option's name in this package, such as "Linger", or
	// the name of the franz-go option that was refused, such as
	// "kgo.ProducerLinger".
	Setting string

	// Java is the Java client's property with this meaning, such as
	// "linger.ms". It is empty where that client has none.
	Java string

	// Value is what was given, in words. It is empty where nothing was
	// given and where the value is a secret or a function.
	Value string

	// Reason says what is wrong with the value and, where that is not
	// plain, what would be right.
	Reason string
}

// Error returns the problem in one line: "vicuna: settings: Linger (linger.ms) = 2m0s:
// must not be longer than 1m0s".
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString("vicuna: settings: ")
	b.WriteString(p.Setting)
	if p.Java != "" {
		b.WriteString(" (" + p.Java + ")")
	}
	if p.Value != "" {
		b.WriteString(" = " + p.Value)
	}
	b.WriteString(": ")
	b.WriteString(p.Reason)
	return b.String()
}
