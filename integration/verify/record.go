package verify

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"strconv"
	"strings"
)

// ErrCorrupt is given for a value that is not a record, or not the one that was written.
var ErrCorrupt = errors.New("corrupt record")

// Position is where a record is.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String gives topic:partition:offset.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.Topic, p.Partition, p.Offset) }

// Fan tells the outputs of one input apart: this is number I, from 0 on, of N.
type Fan struct{ I, N int }

// Record is what the value of an input or output record says of it.
type Record struct {
	Key     string   // the key of the record too
	Seq     int64    // rises by one per key, from 0 on
	Src     Position // the input that the output is of; zero in inputs
	Attempt string   // who made the output; empty in inputs
	Fan     Fan      // which output of how many; in inputs, N is how many are asked for
}

// Output is output number i of the input r that is at src, made by the attempt.
func (r Record) Output(src Position, attempt string, i int) Record {
	return Record{Key: r.Key, Seq: r.Seq, Src: src, Attempt: attempt, Fan: Fan{I: i, N: r.Fan.N}}
}

// String is the text of the record, without its checksum.
func (r Record) String() string {
	return fmt.Sprintf("%s|%s|%d|%v|%s|%d/%d", version, url.QueryEscape(r.Key), r.Seq, r.Src, url.QueryEscape(r.Attempt), r.Fan.I, r.Fan.N)
}

const version = "v1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode gives the value of a record:
//
//	v1|key|seq|topic:partition:offset|attempt|i/n|checksum
//
// with key and attempt escaped as in the query of a URL, numbers in decimal, and the CRC-32C of all
// that stands before the last bar in eight hexadecimal digits.
func (r Record) Encode() []byte {
	text := r.String()
	return fmt.Appendf(nil, "%s|%08x", text, crc32.Checksum([]byte(text), castagnoli))
}

// Decode reads what Encode wrote. The error is ErrCorrupt.
func Decode(value []byte) (Record, error) {
	r, err := decode(string(value))
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w: %.200q", ErrCorrupt, err, value)
	}
	return r, nil
}

func decode(value string) (r Record, err error) {
	bar := strings.LastIndexByte(value, '|')
	if bar < 0 {
		return r, errors.New("no checksum")
	}
	text := value[:bar]
	if want := fmt.Sprintf("%08x", crc32.Checksum([]byte(text), castagnoli)); value[bar+1:] != want {
		return r, fmt.Errorf("checksum is not %s", want)
	}
	fields := strings.Split(text, "|")
	if len(fields) != 6 || fields[0] != version {
		return r, errors.New("not the fields of " + version)
	}
	var errs [7]error
	r.Key, errs[0] = url.QueryUnescape(fields[1])
	r.Seq, errs[1] = strconv.ParseInt(fields[2], 10, 64)
	r.Src, errs[2] = parsePosition(fields[3])
	r.Attempt, errs[3] = url.QueryUnescape(fields[4])
	i, n, ok := strings.Cut(fields[5], "/")
	if !ok {
		errs[4] = errors.New("fan-out without a slash")
	}
	r.Fan.I, errs[5] = strconv.Atoi(i)
	r.Fan.N, errs[6] = strconv.Atoi(n)
	return r, errors.Join(errs[:]...)
}

func parsePosition(text string) (p Position, err error) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return p, errors.New("not a position")
	}
	partition, err := strconv.ParseInt(fields[1], 10, 32)
	if err != nil {
		return p, err
	}
	offset, err := strconv.ParseInt(fields[2], 10, 64)
	return Position{Topic: fields[0], Partition: int32(partition), Offset: offset}, err
}
