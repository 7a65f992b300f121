package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "copy the snippets onto the pages")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pages are those of the repository that are written for users.
func pages(t *testing.T) []string {
	var all []string
	for _, pattern := range []string{"*.md", "../*.md", "../examples/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.NotEmpty(t, all)
	return all
}

var (
	begins = regexp.MustCompile(`^\s*// snippet: (\S+)$`)
	ends   = regexp.MustCompile(`^\s*// end$`)
	block  = regexp.MustCompile("(?ms)^(?:<!-- snippet: (\\S+) -->\n)?```go\n(.*?)^```$")
)

// snippets cuts the marked code out of this folder's tests.
func snippets(t *testing.T) map[string]string {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		name := ""
		var lines []string
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			switch m := begins.FindStringSubmatch(line); {
			case m != nil:
				require.Empty(t, name, "%s: snippet %s begins inside of %s", file, m[1], name)
				require.NotContains(t, all, m[1], "%s: the snippet is there twice", file)
				name, lines = m[1], nil
			case ends.MatchString(line):
				require.NotEmpty(t, name, "%s: an end without a beginning", file)
				all[name], name = shifted(lines), ""
			case name != "":
				lines = append(lines, line)
			}
		}
		require.Empty(t, name, "%s: the snippet has no end", file)
	}
	return all
}

// shifted takes the indentation away that all lines have.
func shifted(lines []string) string {
	common := -1
	for _, l := range lines {
		if l == "" {
			continue
		}
		if tabs := len(l) - len(strings.TrimLeft(l, "\t")); common < 0 || tabs < common {
			common = tabs
		}
	}
	var b strings.Builder
	for _, l := range lines {
		if l != "" {
			l = l[common:]
		}
		b.WriteString(l + "\n")
	}
	return b.String()
}

// Code on a page is code that is tested.
func TestSnippets(t *testing.T) {
	code := snippets(t)
	used := map[string]bool{}
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if filepath.Base(page) == "CONTRIBUTING.md" {
			continue // for those who write the code, not for those who call it
		}
		fresh := block.ReplaceAllStringFunc(string(text), func(found string) string {
			m := block.FindStringSubmatch(found)
			name, on := m[1], m[2]
			if name == "" {
				t.Errorf("%s: Go code that is no snippet:\n%s", page, on)
				return found
			}
			used[name] = true
			want, ok := code[name]
			if !ok {
				t.Errorf("%s: there is no snippet %s", page, name)
				return found
			}
			if on != want && !*update {
				t.Errorf("%s: snippet %s is not what the test has (go test ./docs -update):\n%s", page, name, want)
			}
			return fmt.Sprintf("<!-- snippet: %s -->\n```go\n%s```", name, want)
		})
		if *update && fresh != string(text) {
			require.NoError(t, os.WriteFile(page, []byte(fresh), 0o644))
		}
	}
	for name := range code {
		if !used[name] {
			t.Errorf("snippet %s is on no page", name)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	marks   = regexp.MustCompile("`[^`\n]*`")
)

// Links lead to files and headings that are there.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text := read(t, page)
		for _, m := range link.FindAllStringSubmatch(marks.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !anchors(read(t, file))[anchor] {
				t.Errorf("%s: %s has no heading #%s", page, file, anchor)
			}
		}
	}
}

func read(t *testing.T, page string) string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	return fenced.ReplaceAllString(string(text), "")
}

// anchors are what GitHub makes of headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(m[1]))] = true
	}
	return all
}
