package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestEveryBehaviourHasItsOwnNumberAndName(t *testing.T) {
	numbers, names := map[string]bool{}, map[string]bool{}
	for _, b := range behaviours {
		if numbers[b.Number] || names[b.Name] || b.Description == "" || b.Signal == nil {
			t.Errorf("%s %s is double or incomplete", b.Number, b.Name)
		}
		numbers[b.Number], names[b.Name] = true, true
		if behaviourOf(b.Number) != b || behaviourNamed(b.Name) != b {
			t.Errorf("%s is not found again", b.Name)
		}
	}
}

func TestEveryNumberIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox-carrier.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range behaviours {
		row := fmt.Sprintf("| `%s` | `%s` | %s |", b.Number, b.Name, b.Description)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/sandbox-carrier.md lacks the row\n%s", row)
		}
	}
}

func TestSentencesAreShortEnoughToBeHeardWell(t *testing.T) {
	for name, s := range scripts {
		for _, text := range s.Lines {
			if n := len(strings.Fields(text)); n < 5 || n > 12 {
				t.Errorf("%s: %q has %d words", name, text, n)
			}
		}
	}
}

func TestAConversationHasAtLeastThreeTurnsAndAGoodbye(t *testing.T) {
	for _, name := range []string{"talks", "slow_talk"} {
		lines := scripts[name].Lines
		if len(lines) < 3 || !strings.Contains(lines[len(lines)-1], "Goodbye") {
			t.Errorf("%s: %q", name, lines)
		}
	}
}
