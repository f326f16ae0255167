// compose_reader reads a compose file as the Compose specification's own parser does, and prints the
// project that it makes of it as JSON: merged, interpolated, with defaults and absolute paths. It ends with
// status 1 and the parser's words when the file is not valid.
//
// Usage: compose_reader COMPOSE_FILE ENV_FILE
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: compose_reader COMPOSE_FILE ENV_FILE")
		os.Exit(2)
	}
	text, err := read(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(text))
}

// read takes variables from the file alone: what it gives depends on nothing of the caller's.
func read(composeFile, envFile string) ([]byte, error) {
	options, err := cli.NewProjectOptions(
		[]string{composeFile},
		cli.WithWorkingDirectory(filepath.Dir(composeFile)),
		cli.WithEnvFiles(envFile),
		cli.WithDotEnv,
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
		cli.WithProfiles([]string{"*"}),
	)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}
