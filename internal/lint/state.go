package lint

import (
	"go/ast"
	"go/token"
	"maps"
)

// checkInit is the rule init: no package has a func init, and none of the library's packages has
// state.
//
// What an init does happens in every program that imports the package, before main, whether it is
// wanted or not, and in an order that nobody sees. State of a package is shared by all runs of a
// process: two runs, two tests, two users of one library in one program meet in it.
//
// A package-level variable is state unless it has a value from the start, nothing in the package
// assigns it, a part of it or takes its address, and the value is none that changes by itself: not
// behind a pointer, not of package sync, not made by a function. Of functions only those are known
// to make what never changes: errors.New, fmt.Errorf, regexp.MustCompile, append, slices.Clone.
// Names are compared and not resolved: a local variable that hides a package's is taken for it, and
// had better be called something else.
func checkInit(t *tree, report reporter) {
	for _, f := range t.files {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" {
				report(f, d.Pos(), "func init: do it where it is needed")
			}
		}
	}
	for _, files := range t.packages {
		changed := map[string]bool{}
		for _, f := range files {
			if f.library() {
				maps.Copy(changed, changedNames(f.ast))
			}
		}
		for _, f := range files {
			if f.library() {
				checkVariables(f, changed, report)
			}
		}
	}
}

// checkVariables looks at the package-level variables of one file.
func checkVariables(f *file, changed map[string]bool, report reporter) {
	for _, d := range f.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, name := range spec.Names {
				switch {
				case name.Name == "_":
				case len(spec.Values) != len(spec.Names):
					report(f, name.Pos(), "%s is state: it has no value from the start", name.Name)
				case !unchanging(spec.Values[i]):
					report(f, name.Pos(), "%s is state: its value can change", name.Name)
				case changed[name.Name]:
					report(f, name.Pos(), "%s is state: the package changes it or takes its address", name.Name)
				}
			}
		}
	}
}

// changedNames are the names at the root of all that a file assigns, counts up, deletes from or
// takes the address of.
func changedNames(f *ast.File) map[string]bool {
	names := map[string]bool{}
	add := func(e ast.Expr) {
		if id := root(e); id != nil {
			names[id.Name] = true
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					add(e)
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				add(n.Key)
				add(n.Value)
			}
		case *ast.IncDecStmt:
			add(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				add(n.X)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") {
				add(n.Args[0])
			}
		}
		return true
	})
	return names
}

// root is the variable that an expression names a part of, nil if there is none.
func root(e ast.Expr) *ast.Ident {
	for {
		switch of := e.(type) {
		case *ast.Ident:
			return of
		case *ast.SelectorExpr:
			e = of.X
		case *ast.IndexExpr:
			e = of.X
		case *ast.SliceExpr:
			e = of.X
		case *ast.StarExpr:
			e = of.X
		case *ast.ParenExpr:
			e = of.X
		default:
			return nil
		}
	}
}

// unchanging is true for a value that stays what it is as long as nobody assigns a part of it.
func unchanging(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		return e.Op != token.AND
	case *ast.CompositeLit:
		s, ok := e.Type.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		return !ok || x.Name != "sync" && x.Name != "atomic"
	case *ast.CallExpr:
		if id, ok := e.Fun.(*ast.Ident); ok {
			return id.Name == "append"
		}
		return calls(e.Fun, "errors", "New") || calls(e.Fun, "fmt", "Errorf") ||
			calls(e.Fun, "regexp", "MustCompile") || calls(e.Fun, "slices", "Clone")
	}
	return true
}
