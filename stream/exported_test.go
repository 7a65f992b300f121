package stream_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing that users can call, and no field that they can read, has a type that they cannot name:
// internal packages are not theirs to import.
func TestNothingExportedIsInternal(t *testing.T) {
	files, looked := 0, 0
	for _, dir := range []string{"stream", "envelope", "settings", "serde", "producer", "consumer"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			internal := internalNames(f)
			for _, d := range f.Decls {
				for _, typ := range exportedTypes(d) {
					looked++
					ast.Inspect(typ, func(n ast.Node) bool {
						if sel, ok := n.(*ast.SelectorExpr); ok {
							if pkg, ok := sel.X.(*ast.Ident); ok && internal[pkg.Name] {
								t.Errorf("%s: %s.%s is in an exported signature", path, pkg.Name, sel.Sel.Name)
							}
						}
						return true
					})
				}
			}
			return nil
		}))
	}
	require.Greater(t, files, 50)
	require.Greater(t, looked, 300)
}

// internalNames are the names of the internal packages that a file imports.
func internalNames(f *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, imp := range f.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); strings.Contains(path, "/internal/") {
			names[path[strings.LastIndex(path, "/")+1:]] = true
		}
	}
	return names
}

// exportedTypes are the types in a declaration that users meet: of functions and methods, of a
// struct's exported fields and of an interface's exported methods.
func exportedTypes(d ast.Decl) (types []ast.Node) {
	if fn, ok := d.(*ast.FuncDecl); ok {
		if fn.Name.IsExported() && (fn.Recv == nil || ast.IsExported(receiver(fn))) {
			types = append(types, fn.Type)
		}
		return types
	}
	for _, spec := range d.(*ast.GenDecl).Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok || !typ.Name.IsExported() {
			continue
		}
		var fields *ast.FieldList
		switch of := typ.Type.(type) {
		case *ast.StructType:
			fields = of.Fields
		case *ast.InterfaceType:
			fields = of.Methods
		default:
			continue
		}
		for _, field := range fields.List {
			for _, name := range field.Names {
				if name.IsExported() {
					types = append(types, field.Type)
				}
			}
		}
	}
	return types
}

// receiver is the name of a method's type.
func receiver(fn *ast.FuncDecl) (name string) {
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok && name == "" {
			name = ident.Name
		}
		return true
	})
	return name
}
