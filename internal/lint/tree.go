package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vicuna-go/vicuna/internal/syntax"
)

// tree is the Go source below a folder, that of modules inside it and of all build tags included.
type tree struct {
	fset     *token.FileSet
	files    []*file
	packages map[string][]*file // by folder, from the root, with slashes; tests are part of it
}

// file is one parsed source file.
type file struct {
	tree  *tree
	path  string // from the root, with slashes
	dir   string // the folder of path, "." for the root
	text  string
	ast   *ast.File
	test  bool
	begin token.Pos // of the file in the tree's positions
}

// readTree parses every Go file under root, less what the go command skips too.
func readTree(root string) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), packages: map[string][]*file{}}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return t.add(p, filepath.ToSlash(rel))
	})
	return t, err
}

// add parses the file at p, which is called rel in findings.
func (t *tree) add(p, rel string) error {
	text, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := &file{
		tree: t, path: rel, dir: path.Dir(rel), text: string(text), ast: parsed,
		test: strings.HasSuffix(rel, "_test.go"), begin: parsed.FileStart,
	}
	t.files = append(t.files, f)
	t.packages[f.dir] = append(t.packages[f.dir], f)
	return nil
}

// programs are the folders whose code is what a user of the library writes: it has no run that
// could start its goroutines, and nobody who hands it a context.
var programs = []string{"bench", "cmd", "examples", "integration"}

// library is true for what users link into their programs. Commands are not part of it, wherever
// they stand, nor are tests.
func (f *file) library() bool {
	top, _, _ := strings.Cut(f.path, "/")
	return !f.test && f.ast.Name.Name != "main" && !slices.Contains(programs, top)
}

// line is where pos is.
func (f *file) line(pos token.Pos) int { return f.tree.fset.Position(pos).Line }

// declaration names the top-level declaration around pos: "Type.Method", "function", a variable or
// a type. It is "" outside of all.
func (f *file) declaration(pos token.Pos) string {
	for _, d := range f.ast.Decls {
		if pos < d.Pos() || pos >= d.End() {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			return functionName(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if pos < spec.Pos() || pos >= spec.End() {
					continue
				}
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					return spec.Names[0].Name
				case *ast.TypeSpec:
					return spec.Name.Name
				}
			}
		}
	}
	return ""
}

// functionName is Type.Method for a method and the name alone for a function.
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	return syntax.Receiver(d) + "." + d.Name.Name
}

// calls is true for an expression pkg.name, where pkg is the package's own name.
func calls(e ast.Expr, pkg string, names ...string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, s.Sel.Name)
}
