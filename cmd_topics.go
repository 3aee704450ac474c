package main

import (
	"encoding/json"
	"fmt"
)

// topicsCmd creates or checks topics.
type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the topics that do not exist and check those that do."`
	Check  topicsCheckCmd  `cmd:"" help:"Compare the topics with what they should be; differences fail the command."`
}

type topicsCreateCmd struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
}

// Run creates topics.
func (c *topicsCreateCmd) Run(a *app) error {
	s, err := a.openConfigured(c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	return s.layout().Ensure(a.ctx, s.admin())
}

type topicsCheckCmd struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Output string `enum:"text,json" default:"text" help:"Output on standard output: text or json."`
}

// topicDifference is checkpoint.Difference as JSON.
type topicDifference struct {
	Topic   string `json:"topic"`
	Setting string `json:"setting"` // Of the broker, or exists, partitions, replication.
	Want    string `json:"want"`
	Got     string `json:"got"`
	Fatal   bool   `json:"fatal"` // A guarantee does not hold with it.
}

// Run prints every difference and fails if a guarantee does not hold with one.
func (c *topicsCheckCmd) Run(a *app) error {
	s, err := a.openConfigured(c.Config)
	if err != nil {
		return err
	}
	defer s.close()
	differences, err := s.layout().Check(a.ctx, s.admin())
	if err != nil {
		return err
	}
	fatal := 0
	for _, d := range differences {
		if d.Fatal {
			fatal++
		}
	}
	if c.Output == "json" {
		list := make([]topicDifference, len(differences))
		for i, d := range differences {
			list[i] = topicDifference(d)
		}
		err = json.NewEncoder(a.stdout).Encode(map[string]any{"ok": fatal == 0, "differences": list})
	} else {
		for _, d := range differences {
			word := "note"
			if d.Fatal {
				word = "wrong"
			}
			fmt.Fprintf(a.stdout, "%s: %s\n", word, d)
		}
		_, err = fmt.Fprintf(a.stdout, "%d differences, %d of them wrong\n", len(differences), fatal)
	}
	if err == nil && fatal > 0 {
		err = fmt.Errorf("%d topics are not as they must be", fatal)
	}
	return err
}

// openConfigured opens the site of a configuration file.
func (a *app) openConfigured(path string) (*site, error) {
	cfg, err := a.config(path)
	if err != nil {
		return nil, err
	}
	return a.openCluster(cfg)
}
