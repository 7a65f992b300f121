package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files are a small repository.
var files = map[string]string{
	"producer/sink.go": "package producer\n\n" +
		"type Sink[K, V any] struct{ Limit int }\n\n" +
		"func (s *Sink[K, V]) Close() {}\n\nfunc (s Sink[_, _]) hidden() {}\n\n" +
		"type Sender interface{ Send() }\n\ntype name string\n\nfunc (name) Exported() {}\n\n" +
		"func PlainSink() {}\n\nvar (\n\tErrA, ErrB error\n)\n\nconst Max = 1\n",
	"producer/sink_test.go":     "package producer\n\nfunc TestSink() {}\nfunc Testable() {}\nfunc TestMain() {}\nfunc BenchmarkSink() {}\ntype OnlyInTests int\n",
	"producer/example_test.go":  "package producer_test\n\nfunc ExamplePlainSink() {}\nfunc FuzzSink() {}\n",
	"producer/tagged_test.go":   "//go:build synctests\n\npackage producer\n\nfunc TestBubble() {}\n",
	"cmd/demo/main.go":          "package main\n\nfunc Exported() {}\n",
	"cmd/other/main.go":         "package main\n\nfunc Exported() {}\n",
	"producer/testdata/gone.go": "package gone\n\nfunc Gone() {}\n",
	"docs/producer.md":          "# Producer\n\n## Plain sink\n\n## Plain sink\n\n```sh\n# no heading\n```\n\n## `FlexiFlow`: [results](x.md) & more\n",
	"README.md":                 "# vicuna\n",
}

// write makes the repository with a table in which the row of each id given stands in place of its
// todo row.
func write(t *testing.T, rows map[string]string) string {
	t.Helper()
	root := t.TempDir()
	var table strings.Builder
	for _, l := range letters {
		table.WriteString("\n## " + l.name + "\n\n| id | what | API | test | docs | state |\n|---|:--|---|---|---|---|\n")
		for i := range l.ids {
			id := fmt.Sprintf("%s%d", l.name, i+1)
			line, found := rows[id]
			if !found {
				line = "| " + id + " | something | | | | todo |"
			}
			table.WriteString(line + "\n")
		}
	}
	for name, text := range files {
		put(t, root, name, text)
	}
	put(t, root, "docs/features.md", table.String())
	return root
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestGoodTable(t *testing.T) {
	var out bytes.Buffer
	good := run(&out, write(t, map[string]string{
		"E1": "| E1 | a \\| b | `producer.PlainSink`, `producer.Sink.Close`, `producer.Sink.Limit`, `producer.Sender.Send`, `producer.ErrB`, `producer.Max` |" +
			" `producer.TestSink` `producer.ExamplePlainSink`, `producer.FuzzSink` | [a](producer.md#plain-sink), [b](producer.md#plain-sink-1) | done |",
		"E2":  "| E2 | x | `cmd/demo.Exported` | `producer.TestBubble` | [r](../README.md) [f](producer.md#flexiflow-results--more) | part: the rest of it |",
		"A28": "| A28 | docs alone | | `producer.TestSink` | [here](#a) | done |",
		"C42": "| C42 | quotas | | | | outside: the broker has them. |",
		"K1":  "| K1 | what is to come may be named | `nobody.Knows` | `nobody.TestIt` | [x](x.md) | todo |",
	}))
	require.True(t, good, out.String())
	require.Contains(t, out.String(), "E     1 of   8 done,   1 part,   6 todo, 0 outside\n")
	require.Contains(t, out.String(), "A     1 of  28 done,   0 part,  27 todo, 0 outside\n")
	require.Contains(t, out.String(), "C     0 of  47 done,   0 part,  46 todo, 1 outside\n")
	require.Contains(t, out.String(), "all   2 of 182 done,   1 part, 178 todo, 1 outside\n")
}

func TestBadTables(t *testing.T) {
	const claim = "`producer.PlainSink` | `producer.TestSink` | [a](producer.md#plain-sink)"
	for name, c := range map[string]struct{ row, says string }{
		"missing":                 {"", "E1: the row is missing"},
		"doubled":                 {"| E1 | x | | | | todo |\n| E1 | x | | | | todo |", "it stands on line 6 already"},
		"unknown id":              {"| E1 | x | | | | todo |\n| E9 | x | | | | todo |", "E9: there is no such id"},
		"no id":                   {"| E1 | x | | | | todo |\n| one | x | | | | todo |", "not a row of 6 cells"},
		"cells":                   {"| E1 | x | | | | todo |\n| E2 | x | y | todo |", "not a row of 6 cells"},
		"says not what":           {"| E1 | | | | | todo |", "does not say what it is"},
		"state":                   {"| E1 | x | " + claim + " | finished |", `"finished" is no state`},
		"no state":                {"| E1 | x | " + claim + " | |", `"" is no state`},
		"todo with a note":        {"| E1 | x | | | | todo: nearly |", "says nothing more"},
		"done with a reservation": {"| E1 | x | " + claim + " | done: nearly |", "is part"},
		"part without a note":     {"| E1 | x | " + claim + " | part |", "what is missing"},
		"outside, not allowed":    {"| E1 | x | | | | outside: too hard |", "may be outside"},
		"done without a test":     {"| E1 | x | `producer.PlainSink` | producer.TestSink | | done |", "no test is named"},
		"part without a test":     {"| E1 | x | `producer.PlainSink` | | | part: much |", "no test is named"},
		"done without a subject":  {"| E1 | x | | `producer.TestSink` | | done |", "neither an identifier nor a page"},
		"identifier":              {"| E1 | x | `producer.Gone` | `producer.TestSink` | | done |", "identifier `producer.Gone` does not exist"},
		"identifier of a part":    {"| E1 | x | `producer.Gone` | `producer.TestSink` | | part: y |", "identifier `producer.Gone` does not exist"},
		"method":                  {"| E1 | x | `producer.Sink.Open` | `producer.TestSink` | | done |", "`producer.Sink.Open` does not exist"},
		"method, not exported":    {"| E1 | x | `producer.Sink.hidden` | `producer.TestSink` | | done |", "`producer.Sink.hidden` does not exist"},
		"declared in tests":       {"| E1 | x | `producer.OnlyInTests` | `producer.TestSink` | | done |", "`producer.OnlyInTests` does not exist"},
		"package":                 {"| E1 | x | `gone.Gone` | `producer.TestSink` | | done |", "package gone does not exist"},
		"no package":              {"| E1 | x | `PlainSink` | `producer.TestSink` | | done |", "`PlainSink` names no package"},
		"two packages":            {"| E1 | x | `main.Exported` | `producer.TestSink` | | done |", "2 packages are called main"},
		"test":                    {"| E1 | x | `producer.PlainSink` | `producer.TestGone` | | done |", "test `producer.TestGone` does not exist"},
		"test of a part":          {"| E1 | x | `producer.PlainSink` | `producer.TestGone` | | part: y |", "test `producer.TestGone` does not exist"},
		"no test by its name":     {"| E1 | x | `producer.PlainSink` | `producer.Testable` | | done |", "test `producer.Testable` does not exist"},
		"TestMain":                {"| E1 | x | `producer.PlainSink` | `producer.TestMain` | | done |", "test `producer.TestMain` does not exist"},
		"benchmark":               {"| E1 | x | `producer.PlainSink` | `producer.BenchmarkSink` | | done |", "test `producer.BenchmarkSink` does not exist"},
		"page":                    {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](gone.md) | done |", "page gone.md"},
		"page with anchor":        {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](gone.md#x) | done |", "page gone.md#x"},
		"anchor":                  {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](producer.md#gone) | done |", "no heading has the anchor #gone"},
		"anchor in code":          {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](producer.md#no-heading) | done |", "no heading has the anchor #no-heading"},
		"anchor too often":        {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](producer.md#plain-sink-2) | done |", "no heading has the anchor"},
		"elsewhere":               {"| E1 | x | `producer.PlainSink` | `producer.TestSink` | [g](https://example.org/x) | done |", "out of the repository"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			rows := map[string]string{"E1": c.row}
			require.False(t, run(&out, write(t, rows)), "it passes")
			require.Contains(t, out.String(), c.says)
		})
	}
}

func TestOutsideSaysWhy(t *testing.T) {
	var out bytes.Buffer
	require.False(t, run(&out, write(t, map[string]string{"C42": "| C42 | quotas | | | | outside |"})))
	require.Contains(t, out.String(), "C42: it does not say why it is outside")
}

func TestNoTable(t *testing.T) {
	var out bytes.Buffer
	require.False(t, run(&out, t.TempDir()))
	require.Contains(t, out.String(), "features.md")
}

func TestCodeThatDoesNotParse(t *testing.T) {
	root := write(t, nil)
	put(t, root, "broken/b.go", "package broken\n\nfunc {\n")
	var out bytes.Buffer
	require.False(t, run(&out, root))
	require.Contains(t, out.String(), "b.go")
}

func TestAnchors(t *testing.T) {
	for heading, anchor := range map[string]string{
		"Plain sink":                         "plain-sink",
		"  What `kgo.Opt` does, and why?":    "what-kgoopt-does-and-why",
		"Retry / back-off":                   "retry--back-off",
		"snake_case":                         "snake_case",
		"Über-Größe":                         "über-größe",
		"See [the page](https://x.org/a(b))": "see-the-page",
		"1. First":                           "1-first",
	} {
		require.Equal(t, anchor, slugOf(heading), heading)
	}
	anchors := anchorsOf("# A #\n# A\n# A-1\n<a name=\"own\"></a>\n~~~\n# code\n```\n~~~~\n## After\n#no heading\n")
	require.Equal(t, map[string]bool{"a": true, "a-1": true, "a-1-1": true, "own": true, "after": true}, anchors)
}

func TestThisRepository(t *testing.T) {
	var out bytes.Buffer
	require.True(t, run(&out, filepath.Join("..", "..")), out.String())
}
