package partitions_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// The scripts say what happens to partitions, and what is decided for it. Each step is a command,
// its partitions, and facts; what follows is what the run has to carry out. `go test -rewrite`
// writes anew what follows.
//
//	world bytes=N records=N        a new table, with so much memory for delivered records
//	join|locate|attach|give|closed|deliver|revoke|forget|pause|resume P…    next=N, anew, lane=L
//	detach P progress undone=N over
//	is P… bytes=N records=N pinned=N age=D queued=N staged=N full starved rewinding unfinished
//	lane L rewinds
//	fetched|refused P first=N; read P next=N; goback P offset=N; rewound P from=N; seek; needs-seek
//	strain, relax, release, idle spent
//	bound first=N end=N, finish, skip P from=N to=N, at-rest
//	end, state, lanes
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(memory.Load{Bytes: 8 << 20, Records: 100_000})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s := &step{t: t, d: d}
			if d.Cmd == "world" {
				w = newWorld(memory.Load{Bytes: 8 * s.bytes("bytes") / 3, Records: 2 * s.int("records")})
				return ""
			}
			out := w.do(s)
			out += w.carryOut()
			if d.Cmd == "state" || d.Cmd == "states" {
				return w.states()
			}
			return out
		})
	})
}

// step reads a command's arguments.
type step struct {
	t *testing.T
	d *datadriven.TestData
}

func (s *step) has(key string) bool { return s.d.HasArg(key) }

func (s *step) text(key string) string {
	for _, a := range s.d.CmdArgs {
		if a.Key == key && len(a.Vals) == 1 {
			return a.Vals[0]
		}
	}
	return ""
}

func (s *step) int(key string) int64 {
	n, err := strconv.ParseInt(s.text(key), 10, 64)
	if err != nil {
		s.d.Fatalf(s.t, "%s: %v", key, err)
	}
	return n
}

// bytes reads a size such as 64KiB or 3MiB.
func (s *step) bytes(key string) int64 {
	text, unit := s.text(key), int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = rest, u
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.d.Fatalf(s.t, "%s: %v", key, err)
	}
	return n * unit
}

// names are the partitions: p3, or p3-p9.
func (s *step) names() (names []string) {
	for _, a := range s.d.CmdArgs {
		if len(a.Vals) > 0 || !strings.HasPrefix(a.Key, "p") || len(a.Key) < 2 || a.Key[1] < '0' || a.Key[1] > '9' {
			continue
		}
		first, last, many := strings.Cut(a.Key, "-")
		if !many {
			names = append(names, a.Key)
			continue
		}
		for i := named(first).Partition; i <= named(last).Partition; i++ {
			names = append(names, fmt.Sprintf("p%d", i))
		}
	}
	return names
}

func (s *step) partitions() (ps []topics.Partition) {
	for _, name := range s.names() {
		ps = append(ps, named(name))
	}
	return ps
}

// do carries a step out and returns what it has said.
func (w *world) do(s *step) string {
	switch s.d.Cmd {
	case "pause", "resume":
		if tp, bad := w.NotAssigned(s.partitions()); bad {
			return "not assigned: " + nameOf(tp) + "\n"
		}
		w.Pause(s.partitions(), s.d.Cmd == "pause")
		return ""
	case "revoke":
		return fmt.Sprintf("%d are going\n", len(w.Revoke(s.partitions())))
	case "forget":
		going := map[topics.Partition]*part{}
		for _, name := range s.names() {
			going[named(name)] = w.every[name]
		}
		w.Forget(going)
		return ""
	case "end":
		return fmt.Sprintf("%d end\n", len(w.End()))
	case "lane":
		w.lane(s.d.CmdArgs[0].Key).rewinds = s.has("rewinds")
		return ""
	case "state":
		return ""
	case "lanes":
		return w.lanesTaken()
	case "at-rest":
		var out string
		for _, p := range w.All() {
			if w.AtRest(p) {
				out += nameOf(p.Partition) + "\n"
			}
		}
		return out
	case "strain":
		return fmt.Sprintf("strained: %v\n", w.Strain())
	case "relax":
		w.Relax()
		return ""
	case "release":
		w.Release()
		return ""
	case "idle":
		w.Idle(s.has("spent"))
		return ""
	case "seek":
		w.Seek()
		return ""
	case "needs-seek":
		return fmt.Sprintln(w.NeedsSeek())
	case "bound":
		b := partitions.Bounds{Known: true, First: map[topics.Partition]int64{}, Ends: map[topics.Partition]int64{}}
		for name := range w.every {
			b.First[named(name)], b.Ends[named(name)] = s.int("first"), s.int("end")
		}
		w.Bound(b)
		return ""
	case "finish":
		return fmt.Sprintf("everything: %v\n", w.Finish())
	}
	var out string
	for _, name := range s.names() {
		out += w.doTo(s, name)
	}
	return out
}

// doTo carries a step out that is about one partition.
func (w *world) doTo(s *step, name string) string {
	p := w.part(name)
	switch s.d.Cmd {
	case "join":
		w.join(name)
	case "locate":
		next := int64(-1)
		if s.has("next") {
			next = s.int("next")
		}
		if s.has("anew") {
			w.LocateAnew(p, next)
		} else {
			w.Locate(p, next)
		}
	case "attach":
		lane := s.text("lane")
		if lane == "" {
			lane = "of-" + name
		}
		if !w.attach(p, lane) {
			return name + " is not taken\n"
		}
	case "detach":
		how := partitions.Ended{Progress: s.has("progress"), Undone: -1, Over: s.has("over")}
		if s.has("undone") {
			how.Undone = s.int("undone")
		}
		w.Detach(p, how)
	case "give":
		_, given := w.Give(named(name))
		return fmt.Sprintf("%s given: %v\n", name, given)
	case "closed":
		w.Closed(p)
	case "deliver":
		return fmt.Sprintf("%s is too much: %v\n", name, w.Delivered(p))
	case "is":
		s.tell(p.Flow)
	case "fetched":
		_, wanted := w.Fetched(named(name), s.int("first"))
		return fmt.Sprintf("%s wanted: %v\n", name, wanted)
	case "read":
		w.Read(p, s.int("next"))
	case "refused":
		w.Refused(p, s.int("first"))
	case "goback":
		w.GoBack(p, s.int("offset"))
	case "rewound":
		w.Rewound(p, s.int("from"))
	case "skip":
		w.Skip(p, s.int("from"), s.int("to"))
	default:
		s.d.Fatalf(s.t, "no such command: %s", s.d.Cmd)
	}
	return ""
}

// tell says what a flow is; what is not said is as it was after it was made.
func (s *step) tell(f *fakeFlow) {
	*f = fakeFlow{full: s.has("full"), starved: s.has("starved"), rewinding: s.has("rewinding"), unfinished: s.has("unfinished")}
	for _, a := range s.d.CmdArgs {
		switch a.Key {
		case "bytes":
			f.load.Bytes = s.bytes("bytes")
		case "records":
			f.load.Records = s.int("records")
		case "pinned":
			f.pinned = s.bytes("pinned")
		case "queued":
			f.queued = int(s.int("queued"))
		case "staged":
			f.staged = int(s.int("staged"))
		case "age":
			age, err := time.ParseDuration(s.text("age"))
			if err != nil {
				s.d.Fatalf(s.t, "age: %v", err)
			}
			f.age = age
		}
	}
}
