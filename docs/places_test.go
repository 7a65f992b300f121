package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var place = regexp.MustCompile("`((?:[a-z]+/)+[a-z0-9_]+\\.go)(?::(\\w+))?`")

// A place that the design names, package/file.go:function, is there: the file in the repository or
// below internal, and in it the function, the method or the type.
func TestPlaces(t *testing.T) {
	seen := 0
	for _, m := range place.FindAllStringSubmatch(read(t, "../DESIGN.md"), -1) {
		seen++
		path := filepath.Join("..", m[1])
		if _, err := os.Stat(path); err != nil {
			path = filepath.Join("..", "internal", m[1])
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("DESIGN.md: %s: %v", m[0], err)
			continue
		}
		if m[2] != "" && !declares(file, m[2]) {
			t.Errorf("DESIGN.md: %s has no %s", m[1], m[2])
		}
	}
	require.Greater(t, seen, 60)
}

func declares(file *ast.File, name string) bool {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == name {
				return true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok && s.Name.Name == name {
					return true
				}
			}
		}
	}
	return false
}
