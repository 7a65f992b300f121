package util // want `a package called util`
