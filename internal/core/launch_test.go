package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every goroutine of the library begins in launch: there is one go statement in it.
func TestOneGoStatement(t *testing.T) {
	outside := map[string]bool{ // commands, modules and packages for tests
		"bench": true, "cmd": true, "examples": true, "integration": true, "kafkatest": true, "streamtest": true,
		"gotest": true, "features": true, "testdata": true, ".git": true,
	}
	root := filepath.Join("..", "..")
	var found []string
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && outside[d.Name()]:
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				found = append(found, filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator))))
			}
			return true
		})
		return nil
	}))
	require.Greater(t, files, 150)
	require.Equal(t, []string{"internal/core/launch.go"}, found)
}
