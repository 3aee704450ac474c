package deploytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sourceUID is the uid of the provisioned data source.
const sourceUID = "anomalystream"

// dashboard is what the tests read of a dashboard.
type dashboard struct {
	UID         string `json:"uid"`
	Title       string `json:"title"`
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Links []struct {
		URL string `json:"url"`
	} `json:"links"`
}

type annotation struct {
	Name   string `json:"name"`
	Target target `json:"target"`
}

type panel struct {
	ID         int    `json:"id"`
	Type       string `json:"type"`
	Title      string `json:"title"`
	Repeat     string `json:"repeat"`
	Datasource struct {
		UID string `json:"uid"`
	} `json:"datasource"`
	GridPos struct{ X, Y, W, H int } `json:"gridPos"`
	Targets []target                 `json:"targets"`
}

type target struct {
	RefID      string `json:"refId"`
	Format     string `json:"format"`
	RawSQL     string `json:"rawSql"`
	Datasource struct {
		UID string `json:"uid"`
	} `json:"datasource"`
}

type variable struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Query string `json:"query"`
	Multi bool   `json:"multi"`
}

// corePanels are the panel types that come with Grafana and that the dashboards keep to: they were never rendered here.
var corePanels = []string{"row", "stat", "gauge", "timeseries", "barchart", "table"}

// dashboards reads every shipped dashboard, by file name.
func dashboards(t *testing.T) map[string]*dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy/grafana/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	out := map[string]*dashboard{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d := &dashboard{}
		if err := json.Unmarshal(text, d); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[filepath.Base(f)] = d
	}
	return out
}

// TestDashboardSchema holds the dashboards to Grafana's published types; testdata says how the schema was made.
func TestDashboardSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("testdata/dashboard.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range dashboards(t) {
		f, err := os.Open(filepath.Join(root, "deploy/grafana/dashboards", name))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		value.(map[string]any)["tittle"] = "x"
		if schema.Validate(value) == nil {
			t.Errorf("%s: the schema accepts a field that does not exist", name)
		}
	}
}

// TestDashboards checks what the schema cannot: identities, references, and panels that do not overlap.
func TestDashboards(t *testing.T) {
	t.Parallel()
	all := dashboards(t)
	uids := map[string]string{}
	for name, d := range all {
		if other, ok := uids[d.UID]; ok || d.UID == "" || d.Title == "" {
			t.Errorf("%s: uid %q, title %q: missing, or used by %s", name, d.UID, d.Title, other)
		}
		uids[d.UID] = name
	}
	for name, d := range all {
		for _, l := range d.Links {
			if _, ok := uids[strings.TrimPrefix(l.URL, "/d/")]; !ok {
				t.Errorf("%s: link to %s, which is no dashboard", name, l.URL)
			}
		}
		variables := map[string]bool{}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || !slices.Contains(corePanels, p.Type) {
				t.Errorf("%s: panel %d %q of type %s: id used twice, no title, or no core type", name, p.ID, p.Title, p.Type)
			}
			ids[p.ID] = true
			if p.Repeat != "" && !variables[p.Repeat] {
				t.Errorf("%s: panel %q repeats for variable %s, which does not exist", name, p.Title, p.Repeat)
			}
			if p.Type != "row" && (p.Datasource.UID != sourceUID || len(p.Targets) == 0) {
				t.Errorf("%s: panel %q has data source %q and %d queries", name, p.Title, p.Datasource.UID, len(p.Targets))
			}
			if p.GridPos.X < 0 || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %q does not fit the grid: %+v", name, p.Title, p.GridPos)
			}
			for _, q := range d.Panels[:i] {
				a, b := p.GridPos, q.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: panels %q and %q overlap", name, p.Title, q.Title)
				}
			}
			for _, q := range p.Targets {
				if q.Datasource.UID != sourceUID {
					t.Errorf("%s: panel %q query %s has data source %q", name, p.Title, q.RefID, q.Datasource.UID)
				}
			}
		}
	}
}

// provisioned decodes a provisioning file strictly.
func provisioned(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "deploy/grafana/provisioning", path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := yaml.NewDecoder(f, yaml.Strict()).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestDataSource checks the provisioned data source; since Grafana 12.2 the database name must be in jsonData.
func TestDataSource(t *testing.T) {
	t.Parallel()
	var f struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name           string            `yaml:"name"`
			UID            string            `yaml:"uid"`
			Type           string            `yaml:"type"`
			Access         string            `yaml:"access"`
			URL            string            `yaml:"url"`
			User           string            `yaml:"user"`
			IsDefault      bool              `yaml:"isDefault"`
			Editable       bool              `yaml:"editable"`
			SecureJSONData map[string]string `yaml:"secureJsonData"`
			JSONData       struct {
				Database        string `yaml:"database"`
				SSLMode         string `yaml:"sslmode"`
				PostgresVersion int    `yaml:"postgresVersion"`
				TimescaleDB     bool   `yaml:"timescaledb"`
				MaxOpenConns    int    `yaml:"maxOpenConns"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	provisioned(t, "datasources/postgres.yaml", &f)
	if len(f.Datasources) != 1 {
		t.Fatalf("%d data sources, want 1", len(f.Datasources))
	}
	d := f.Datasources[0]
	if d.UID != sourceUID || d.Type != "grafana-postgresql-datasource" || d.User != "grafana_reader" || d.JSONData.Database == "" || d.SecureJSONData["password"] == "" {
		t.Errorf("data source: %+v", d)
	}
	grafana, err := loadCompose(t).GetService("grafana")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{d.URL, d.JSONData.Database, d.SecureJSONData["password"]} {
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "$__env{"), "}")
		if grafana.Environment[name] == nil {
			t.Errorf("the data source reads %s, which the grafana service does not set", name)
		}
	}
}

// TestDashboardProvider checks that Grafana looks for the dashboards where compose mounts them.
func TestDashboardProvider(t *testing.T) {
	t.Parallel()
	var f struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name                  string `yaml:"name"`
			OrgID                 int    `yaml:"orgId"`
			Folder                string `yaml:"folder"`
			FolderUID             string `yaml:"folderUid"`
			Type                  string `yaml:"type"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	provisioned(t, "dashboards/anomalystream.yaml", &f)
	grafana, err := loadCompose(t).GetService("grafana")
	if err != nil {
		t.Fatal(err)
	}
	mounted := map[string]bool{}
	for _, v := range grafana.Volumes {
		mounted[v.Target] = true
	}
	if len(f.Providers) != 1 || !mounted[f.Providers[0].Options.Path] {
		t.Errorf("providers %+v, mounted %v", f.Providers, mounted)
	}
}

// alertRule is one provisioned alert rule.
type alertRule struct {
	UID          string            `yaml:"uid"`
	Title        string            `yaml:"title"`
	Condition    string            `yaml:"condition"`
	For          string            `yaml:"for"`
	NoDataState  string            `yaml:"noDataState"`
	ExecErrState string            `yaml:"execErrState"`
	Labels       map[string]string `yaml:"labels"`
	Annotations  map[string]string `yaml:"annotations"`
	Data         []struct {
		RefID             string `yaml:"refId"`
		RelativeTimeRange struct {
			From int `yaml:"from"`
			To   int `yaml:"to"`
		} `yaml:"relativeTimeRange"`
		DatasourceUID string `yaml:"datasourceUid"`
		Model         struct {
			RefID      string `yaml:"refId"`
			Format     string `yaml:"format"`
			RawQuery   bool   `yaml:"rawQuery"`
			EditorMode string `yaml:"editorMode"`
			RawSQL     string `yaml:"rawSql"`
			Type       string `yaml:"type"`
			Expression string `yaml:"expression"`
			Conditions []struct {
				Evaluator struct {
					Type   string    `yaml:"type"`
					Params []float64 `yaml:"params"`
				} `yaml:"evaluator"`
			} `yaml:"conditions"`
		} `yaml:"model"`
	} `yaml:"data"`
}

// alertRules reads the provisioned alert rules.
func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var f struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			OrgID    int         `yaml:"orgId"`
			Name     string      `yaml:"name"`
			Folder   string      `yaml:"folder"`
			Interval string      `yaml:"interval"`
			Rules    []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	provisioned(t, "alerting/rules.yaml", &f)
	var out []alertRule
	for _, g := range f.Groups {
		if g.Name == "" || g.Folder == "" {
			t.Errorf("group %q has no name or folder", g.Name)
		}
		if _, err := time.ParseDuration(g.Interval); err != nil {
			t.Errorf("group %s: interval: %v", g.Name, err)
		}
		out = append(out, g.Rules...)
	}
	return out
}

// TestAlertRules checks what Grafana's loader insists on.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	rules := alertRules(t)
	if len(rules) < 4 {
		t.Fatalf("%d alert rules, want at least 4", len(rules))
	}
	uids := map[string]bool{}
	for _, r := range rules {
		if r.UID == "" || uids[r.UID] || r.Title == "" || r.Annotations["summary"] == "" {
			t.Errorf("rule %q %q: uid missing or used twice, no title or no summary", r.UID, r.Title)
		}
		uids[r.UID] = true
		if _, err := time.ParseDuration(r.For); err != nil {
			t.Errorf("rule %s: for: %v", r.UID, err)
		}
		if !slices.Contains([]string{"NoData", "Alerting", "OK", "KeepLast"}, r.NoDataState) || !slices.Contains([]string{"OK", "Alerting", "Error", "KeepLast"}, r.ExecErrState) {
			t.Errorf("rule %s: states %s, %s", r.UID, r.NoDataState, r.ExecErrState)
		}
		refs := map[string]bool{}
		for _, d := range r.Data {
			refs[d.RefID] = true
			if d.RefID != d.Model.RefID || d.RelativeTimeRange.From <= d.RelativeTimeRange.To && d.DatasourceUID != "__expr__" {
				t.Errorf("rule %s: query %s: model %s, range %+v", r.UID, d.RefID, d.Model.RefID, d.RelativeTimeRange)
			}
			switch d.DatasourceUID {
			case sourceUID:
				if d.Model.RawSQL == "" || strings.Contains(d.Model.RawSQL, "$") {
					t.Errorf("rule %s: query %s: no SQL, or a variable that alert rules do not have", r.UID, d.RefID)
				}
			case "__expr__":
				if !refs[d.Model.Expression] {
					t.Errorf("rule %s: expression %s uses %s, which is not there", r.UID, d.RefID, d.Model.Expression)
				}
			default:
				t.Errorf("rule %s: data source %q", r.UID, d.DatasourceUID)
			}
		}
		if !refs[r.Condition] {
			t.Errorf("rule %s: condition %s is not there", r.UID, r.Condition)
		}
	}
}
