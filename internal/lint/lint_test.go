package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The repository keeps its own rules.
func TestRepository(t *testing.T) {
	t.Parallel()
	source, err := readTree(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.Greater(t, len(source.files), 300, "the root of the repository is elsewhere")
	var found []finding
	for _, r := range rules() {
		found = slices.Concat(found, r.run(source))
	}
	left, wrong := judge(found, exceptions())
	for _, f := range left {
		t.Error(f)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// What golangci-lint's configuration excludes is there.
func TestExclusions(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	require.NoError(t, err)
	require.Greater(t, len(exclusionPath.FindAllString(string(config), -1)), 2, "the exclusions have another form")
	source, err := readTree(filepath.Join("..", ".."))
	require.NoError(t, err)
	var files []string
	for _, f := range source.files {
		files = append(files, f.path)
	}
	wrong, err := checkExclusions(string(config), files)
	require.NoError(t, err)
	require.Empty(t, wrong)

	wrong, err = checkExclusions("\t- path: a/(one|two)\\.go|d/\n", []string{"a/one.go", "d/e.go"})
	require.NoError(t, err)
	require.Len(t, wrong, 1)
	require.Contains(t, wrong[0], `a/two\.go`)
}

// The pages' lines are as wide as the comments'.
func TestPages(t *testing.T) {
	t.Parallel()
	found, err := checkPages(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.Empty(t, strings.Join(found, "\n"))

	lines := func(all ...string) []string { return wideLines(strings.Join(all, "\n")) }
	long := strings.TrimSpace(strings.Repeat("word ", 21))
	require.Equal(t, []string{"line 2 ends in column 104, beyond 100"}, lines("word", long))
	require.Len(t, lines("- "+long, "> "+long), 2)
	require.Len(t, lines("```go", long, "```", long), 1, "code")
	require.Empty(t, lines("| "+long+" |", "<!-- "+long+" -->", "[a]: "+long, "# "+long))
	require.Empty(t, lines("https://"+strings.Repeat("x", 100), "- `"+long+"`"), "what has no place to break")
}

// Each rule reports what its testdata wants, where it wants it, and nothing else.
func TestRules(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range rules() {
		names[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			source, err := readTree(filepath.Join("testdata", r.name))
			require.NoError(t, err)
			wanted := wants(t, source)
			require.NotEmpty(t, wanted, "nothing says what the rule must report")
			for _, f := range r.run(source) {
				at := fmt.Sprintf("%s:%d", f.path, f.line)
				if form := wanted[at]; form == nil {
					t.Errorf("%s is not wanted", f)
				} else {
					require.Regexp(t, form, f.message, at)
				}
				delete(wanted, at)
			}
			for at, form := range wanted {
				t.Errorf("%s: nothing was reported that matches %s", at, form)
			}
		})
	}
	folders, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, d := range folders {
		require.True(t, names[d.Name()], "testdata/%s is of no rule", d.Name())
	}
}

var wantForm = regexp.MustCompile("// want(?:\\(([+-]\\d+)\\))? `([^`]+)`")

// wants reads the comments of the form
//
//	// want `regular expression`
//	// want(+1) `regular expression`
//
// of which the second one speaks of a line below or above.
func wants(t *testing.T, source *tree) map[string]*regexp.Regexp {
	t.Helper()
	wanted := map[string]*regexp.Regexp{}
	for _, f := range source.files {
		for i, line := range strings.Split(f.text, "\n") {
			for _, m := range wantForm.FindAllStringSubmatch(line, -1) {
				n := i + 1
				if m[1] != "" {
					by, err := strconv.Atoi(m[1])
					require.NoError(t, err)
					n += by
				}
				wanted[fmt.Sprintf("%s:%d", f.path, n)] = regexp.MustCompile(m[2])
			}
		}
	}
	return wanted
}

// An exception lets pass what it names and nothing else, and has to be of use and say why.
func TestExceptions(t *testing.T) {
	t.Parallel()
	in := finding{rule: "go", path: "a/b/c.go", place: "a/b T.Do"}
	out := finding{rule: "go", path: "a/b/c.go", place: "a/b Other"}
	for _, of := range []struct {
		name  string
		e     exception
		left  []finding
		wrong string
	}{
		{"by declaration", exception{"go", "a/b T.Do", "why"}, []finding{out}, ""},
		{"by folder", exception{"go", "a/b", "why"}, nil, ""},
		{"by a folder above", exception{"go", "a", "why"}, nil, ""},
		{"no reason", exception{"go", "a/b", " "}, nil, "no reason"},
		{"another rule", exception{"sleep", "a/b", "why"}, []finding{in, out}, "matches nothing"},
		{"another folder", exception{"go", "a/bc", "why"}, []finding{in, out}, "matches nothing"},
		{"another declaration", exception{"go", "a/b T", "why"}, []finding{in, out}, "matches nothing"},
	} {
		t.Run(of.name, func(t *testing.T) {
			left, wrong := judge([]finding{in, out}, []exception{of.e})
			require.Equal(t, of.left, left)
			if of.wrong == "" {
				require.Empty(t, wrong)
			} else {
				require.Len(t, wrong, 1)
				require.Contains(t, wrong[0], of.wrong)
			}
		})
	}
}
