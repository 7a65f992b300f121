package streamtest_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an operator's doc comment has to say, in this order.
var contract = []string{"Emits when", "Back-pressures when", "Completes when", "Fails when", "Order", "Goroutines"}

// composition are the exported names that give a source, a flow, a sink or a graph and are no
// operators: nothing of them is there when a graph runs.
var composition = map[string]string{
	"Source.To":               "joins a source and a sink",
	"Flow.To":                 "joins a flow and a sink",
	"SourceWithContext.To":    "joins a source and a sink",
	"Source.Named":            "names a stage",
	"Sink.Named":              "names a stage",
	"SourceWithContext.Named": "names a stage",
	"SourceWithContext.Pairs": "a view",
	"FromPairs":               "a view",
	"FlowOfPairs":             "a view",
	"NewFlow":                 "composes",
	"NewFlowWithContext":      "composes",
	"Via":                     "composes",
	"ViaWithContext":          "composes",
	"Join":                    "composes",
}

// runners take a source, run it, and return what came of it.
var runners = []string{"Collect", "First", "Fold", "Source.All"}

// operators are the exported functions and methods of package stream that give a source, a sink or
// a graph, or run one, by name, with their doc comments.
func operators(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/vicuna-go/vicuna/stream")
	require.NoError(t, err)
	found := map[string]string{}
	add := func(prefix string, fs []*doc.Func) {
		for _, f := range fs {
			name := prefix + f.Name
			if gives(f.Decl, "Source", "SourceWithContext", "Sink", "Graph", "Flow", "FlowWithContext") || slices.Contains(runners, name) {
				found[name] = f.Doc
			}
		}
	}
	add("", p.Funcs)
	for _, typ := range p.Types {
		add("", typ.Funcs)
		add(typ.Name+".", typ.Methods)
	}
	return found
}

// gives reports whether a function's result is of one of the types.
func gives(f *ast.FuncDecl, types ...string) bool {
	if f.Type.Results == nil {
		return false
	}
	for _, r := range f.Type.Results.List {
		e := r.Type
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		}
		if id, ok := e.(*ast.Ident); ok && slices.Contains(types, id.Name) {
			return true
		}
	}
	return false
}

func TestOperatorsStateTheirContract(t *testing.T) {
	found := operators(t)
	for name, text := range found {
		if composition[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			lines := contract
			switch {
			case strings.HasPrefix(name, "SourceWithContext.") || strings.HasSuffix(name, "WithContext"):
				require.Regexp(t, `\[(Source\.)?[A-Z]\w+\]`, text, "say on which operator it rests")
				return
			case name == "Collect" || name == "Fold" || name == "First":
				return // they end a stream and wait for it: their doc comments say what they return
			}
			at := 0
			for _, line := range lines {
				m := regexp.MustCompile(`(?m)^\s*- ` + line + `: \S`).FindStringIndex(text[at:])
				require.NotNil(t, m, "the doc comment lacks a line %q (in this order: %s)", line, strings.Join(contract, ", "))
				at += m[0]
			}
		})
	}
}

func TestOperatorsAreInTheSuite(t *testing.T) {
	found := operators(t)
	for name := range found {
		if composition[name] == "" {
			require.Contains(t, registry, name, "an operator without an entry in the registry of the conformance suite")
		}
	}
	for name := range maps.Keys(registry) {
		require.Contains(t, found, name, "the registry names an operator that is not there")
	}
	for name := range maps.Keys(composition) {
		require.Contains(t, found, name)
	}
}

func TestConformance(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(registry)) {
		t.Run(name, registry[name])
	}
}
