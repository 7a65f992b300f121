package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/vicuna-go/vicuna/internal/syntax"
)

// code is what the repository's packages declare, those of modules inside it and files of all build
// tags included.
type code struct {
	packages map[string]*declared // by path from the root, with slashes
}

// declared is what one package has.
type declared struct {
	name        string          // as its files say
	identifiers map[string]bool // Name, Type.Method, Type.Field; exported ones
	tests       map[string]bool
}

var errUnknown = errors.New("does not exist")

// readCode parses every Go file under root.
func readCode(root string) (*code, error) {
	c := &code{packages: map[string]*declared{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		c.add(filepath.ToSlash(dir), file, strings.HasSuffix(name, "_test.go"))
		return nil
	})
	return c, err
}

func (c *code) add(dir string, file *ast.File, isTest bool) {
	p := c.packages[dir]
	if p == nil {
		p = &declared{identifiers: map[string]bool{}, tests: map[string]bool{}}
		c.packages[dir] = p
	}
	if name := file.Name.Name; p.name == "" || !isTest {
		p.name = strings.TrimSuffix(name, "_test")
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			switch {
			case isTest && d.Recv == nil && isTestName(d.Name.Name):
				p.tests[d.Name.Name] = true
			case !isTest:
				p.declare(syntax.Receiver(d), d.Name)
			}
		case *ast.GenDecl:
			if !isTest { // what tests declare nobody can use
				p.addSpecs(d)
			}
		}
	}
}

// declare takes a name, of a member of owner if there is one.
func (p *declared) declare(owner string, name *ast.Ident) {
	switch {
	case !name.IsExported():
	case owner == "":
		p.identifiers[name.Name] = true
	default:
		p.identifiers[owner+"."+name.Name] = true
	}
}

func (p *declared) addSpecs(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				p.declare("", name)
			}
		case *ast.TypeSpec:
			p.declare("", spec.Name)
			for _, f := range members(spec.Type) {
				for _, name := range f.Names {
					p.declare(spec.Name.Name, name)
				}
			}
		}
	}
}

// members are the fields of a struct or the methods of an interface.
func members(t ast.Expr) []*ast.Field {
	switch t := t.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	}
	return nil
}

// isTestName is true for what go test runs to tell right from wrong. A benchmark does not.
func isTestName(name string) bool {
	for _, kind := range []string{"Test", "Fuzz", "Example"} {
		rest, found := strings.CutPrefix(name, kind)
		if !found || name == "TestMain" {
			continue
		}
		// TestX and Test_x, not Testable.
		if rest == "" || !('a' <= rest[0] && rest[0] <= 'z') {
			return true
		}
	}
	return false
}

// identifier looks for package.Name or package.Type.Member.
func (c *code) identifier(name string) error {
	return c.lookup(name, "identifier", func(p *declared, rest string) bool { return p.identifiers[rest] })
}

// test looks for package.TestName.
func (c *code) test(name string) error {
	return c.lookup(name, "test", func(p *declared, rest string) bool { return p.tests[rest] })
}

func (c *code) lookup(name, kind string, has func(*declared, string) bool) error {
	slash := strings.LastIndex(name, "/") + 1
	last, rest, found := strings.Cut(name[slash:], ".")
	if !found {
		return fmt.Errorf("%s `%s` names no package", kind, name)
	}
	called := name[:slash] + last
	var dirs []string
	for dir, p := range c.packages {
		if dir == called || strings.HasSuffix(dir, "/"+called) || p.name == called {
			dirs = append(dirs, dir)
		}
	}
	p := c.packages[called] // its whole path from the root goes before the end of another's
	if p == nil && len(dirs) == 1 {
		p = c.packages[dirs[0]]
	}
	switch {
	case len(dirs) == 0:
		return fmt.Errorf("%s `%s`: package %s %w", kind, name, called, errUnknown)
	case p == nil:
		return fmt.Errorf("%s `%s`: %d packages are called %s: write the path", kind, name, len(dirs), called)
	case !has(p, rest):
		return fmt.Errorf("%s `%s` %w", kind, name, errUnknown)
	}
	return nil
}
