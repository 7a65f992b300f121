// Command demo runs vicuna's main job before your eyes: records from a file go through a typed, back-pressured stream into Kafka, and are read back by
// somebody else.
//
//	make demo                                           the file that comes with it, on the embedded broker
//	make demo INPUT=events.ndjson                       any file of newline-delimited JSON
//	KAFKA_BOOTSTRAP_SERVERS=localhost:9092 make demo    a real broker, on topics of its own, which it deletes again
//	go run ./cmd/demo -rate 500                         slow enough to watch, and to press Ctrl-C
//
// Every line becomes a record twice: through producer.PlainSink to one topic, and through producer.FlexiFlow, with the line's number as its pass-through, to
// another. Both stages share one client and its window. The file is streamed: its size does not matter, except to the embedded broker, which keeps the records in a
// temporary directory.
//
// Then a plain client of franz-go, which shares nothing with the stages, reads both topics and compares: every line is there once and unchanged, the lines of
// each partition are in order, each key has stayed in its partition, and the offsets in the flow's results are where the records are. One bit for each line is kept for that.
//
// The exit status is 0 when everything was found, 1 when anything is missing or wrong, 2 for wrong arguments, 130 behind Ctrl-C. The first Ctrl-C drains: reading
// stops, what is in flight is finished. The second stops hard, the third ends the process where it stands.
package main
