package docs_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/vicuna-go/vicuna/"

// DESIGN.md says that imports point one way, down its table of rooms, and that what stands in the
// table of programs and tests is imported by none of them. Every package of the module is in one.
func TestRoomsImportDownwards(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(read(t, "../DESIGN.md"), "\n## Rooms\n")
	require.True(t, found)
	rest, _, _ = strings.Cut(rest, "\n## ")
	rooms, above, found := strings.Cut(rest, "\nAbove them")
	require.True(t, found, "the rooms, then what stands above them")
	row := map[string]int{} // of the rooms, from the top
	for i, names := range rows(rooms) {
		for _, n := range names {
			row[n] = i
		}
	}
	top := map[string]bool{}
	for _, names := range rows(above) {
		for _, n := range names {
			top[n] = true
		}
	}
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		rel, err := filepath.Rel("..", filepath.Dir(path))
		require.NoError(t, err)
		name := filepath.ToSlash(rel)
		seen[name] = true
		from, isRoom := row[name]
		if !isRoom {
			require.True(t, below(name, top), "%s: in neither table of DESIGN.md", name)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			full, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			to, ours := strings.CutPrefix(full, module)
			if !ours {
				continue
			}
			at, isRoom := row[to]
			require.True(t, isRoom, "%s imports %s, which stands above the rooms", path, to)
			require.GreaterOrEqual(t, at, from, "%s imports %s, which is further up the table", path, to)
		}
		return nil
	})
	require.NoError(t, err)
	for name := range row {
		require.True(t, seen[name], "DESIGN.md has a room %s, which has no package", name)
	}
}

var roomName = regexp.MustCompile("`([a-z0-9/…]+)/`")

// rows are the packages that the first cells of a table name.
func rows(table string) (names [][]string) {
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		var row []string
		for _, m := range roomName.FindAllStringSubmatch(cells[1], -1) {
			row = append(row, m[1])
		}
		if len(row) > 0 {
			names = append(names, row)
		}
	}
	return names
}

// below reports whether a folder is one of top, or inside one.
func below(name string, top map[string]bool) bool {
	for ; name != "."; name = filepath.ToSlash(filepath.Dir(name)) {
		if top[name] {
			return true
		}
	}
	return false
}
