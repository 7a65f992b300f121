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
