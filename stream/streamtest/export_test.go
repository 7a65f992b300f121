package streamtest

// Answer is what a committing stage of another graph says of a record that it has finished.
func Answer[T any](m *TrackedMessage[T]) { m.assignment.Answer(m.position) }
