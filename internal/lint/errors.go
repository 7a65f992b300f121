package lint

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"

	"github.com/vicuna-go/vicuna/internal/syntax"
)

// checkError is the rule error: an error that users see begins with "vicuna:".
//
// A user finds it in a log beside the errors of ten other libraries; the first word says whose it
// is, and one word for all packages says that this is one library. Internal packages' errors count,
// since users get them through aliases and chains.
//
// What syntax can tell: an exported sentinel (a package-level variable Err… made by errors.New or
// fmt.Errorf) has a text that begins so, and so does the first text in the Error method of an
// exported type that is not compared with something. An Error method without such a text, which
// shows another error's, and errors that are only ever shown inside another one of the family are
// exceptions, and say so.
func checkError(t *tree, report reporter) {
	for _, f := range t.files {
		if !f.library() {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				checkSentinels(f, d, report)
			case *ast.FuncDecl:
				if d.Name.Name == "Error" && ast.IsExported(syntax.Receiver(d)) && d.Body != nil && d.Type.Params.NumFields() == 0 {
					if text, ok := firstText(d.Body); !ok || !isOurs(text) {
						report(f, d.Pos(), "what %s.Error returns does not begin with \"vicuna:\"", syntax.Receiver(d))
					}
				}
			}
		}
	}
}

// checkSentinels looks at exported errors among variables.
func checkSentinels(f *file, d *ast.GenDecl, report reporter) {
	if d.Tok != token.VAR {
		return
	}
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, "Err") || i >= len(spec.Values) {
				continue
			}
			call, ok := spec.Values[i].(*ast.CallExpr)
			if !ok || !calls(call.Fun, "errors", "New") && !calls(call.Fun, "fmt", "Errorf") {
				continue
			}
			if text, ok := firstText(call.Args[0]); !ok || !isOurs(text) {
				report(f, name.Pos(), "the text of %s does not begin with \"vicuna:\"", name.Name)
			}
		}
	}
}

// isOurs is true for a text that names the library first.
func isOurs(text string) bool { return strings.HasPrefix(text, "vicuna: ") }

// firstText is the first string in the source of n, but for those that are compared with something.
func firstText(n ast.Node) (text string, ok bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if ok {
			return false
		}
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op == token.ADD
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				text, _ = strconv.Unquote(n.Value)
				ok = true
			}
		}
		return true
	})
	return text, ok
}
