// Command demo runs vicuna's main job before your eyes: a file is written to a topic, and a
// consumer connected to a producer makes an invoice of each order in it, in a second topic, while
// the lag is shown. Then somebody else looks whether it is all there.
//
//	make demo                                           the file that comes with it, on the embedded broker
//	make demo INPUT=events.ndjson                       any file of newline-delimited JSON; - is the standard input
//	KAFKA_BOOTSTRAP_SERVERS=localhost:9092 make demo    a real broker, on topics and in a group of its own, which it deletes again
//	go run ./cmd/demo -rate 500                         slow enough to watch, and to press Ctrl-C
//
// Two streams run at the same time; pipeline.go has them both. The first is the lines, through
// producer.PlainSink. The second is a committable source, a transformation, and a committable sink:
// an order's offset is committed when its invoice is acknowledged, and so are all before it. A
// cancelled order has no invoice, and its offset is committed all the same. The lag is what the
// consumer itself says, asked while it runs.
//
// Then plain clients of franz-go, which share nothing with the stages, read both topics and ask for
// the group's offsets: every line is an order, once and unchanged; every order that is committed
// has its invoice, or is cancelled, and no other invoice is there, none twice, none changed; lines
// ascend in each partition and keys stay in theirs; the group has committed up to the end of the
// first topic. Some bits for each line are kept for that. Everything is streamed: the file's size
// does not matter, except to the embedded broker, which keeps the records in a temporary directory.
//
// The first Ctrl-C drains: reading stops, what is in flight is finished and committed, and what is
// committed then is verified against what was written. The second stops hard, the third ends the
// process where it stands. The exit status is 0 when everything was found, 1 when anything is
// missing or wrong, 2 for wrong arguments, 130 after Ctrl-C.
package main
