// Package blueprint is what sources, sinks and graphs are made of: functions that build their
// stages into a run. Package stream declares its public types with the underlying types of these,
//
//	type Source[T any] blueprint.Source[T]
//
// so that users find no field, no constructor and no type of the engine there, and this module's
// own packages make sources and sinks of stages by converting:
//
//	stream.Source[T](blueprint.NewSource(build))
//
// Zero values are usable, as they are in stream.
package blueprint
