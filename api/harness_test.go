package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/internal/freeport"
	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

func TestMain(m *testing.M) { kafkatest.Main(m, nil) }

// patience bounds every wait of the tests; nothing takes that long unless it is broken.
const patience = time.Minute

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rig is a running server with its fakes and a client of its own.
type rig struct {
	*Server
	t         testing.TB
	history   *fakeHistory
	statuses  *fakeStatuses
	audits    *fakeAudits
	events    *fakePublisher
	control   *fakeControl
	incidents *fakeIncidents
	client    *http.Client
	token     string // Sent with every call unless "".
	log       *safeBuffer
	stop      func() error // Ends Run and returns its error; may be called again.
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve starts a server on a free loopback port; change may alter configuration and parts before. It ends with the test.
func serve(t testing.TB, change func(*Config, *Deps)) *rig {
	t.Helper()
	r := &rig{
		t: t, history: &fakeHistory{}, statuses: &fakeStatuses{}, audits: &fakeAudits{}, events: &fakePublisher{},
		control: &fakeControl{}, incidents: &fakeIncidents{}, log: &safeBuffer{},
	}
	metrics := streams.DefaultDefinition("server_metrics")
	metrics.Key, metrics.Features = "host", []streams.Feature{{Name: "cpu"}}
	cards := streams.DefaultDefinition("transactions")
	cards.Features = []streams.Feature{{Name: "amount"}}
	c := Config{
		Addr: freeport.Address(t), Streams: []streams.Definition{metrics, cards}, FlushEvery: 5 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	d := Deps{
		History: r.history, Statuses: r.statuses, Audits: r.audits, Publisher: r.events, Scorer: fakeScorer{}, Control: r.control,
		Incidents: r.incidents, Feedback: r.incidents,
	}
	if change != nil {
		change(&c, &d)
	}
	s, err := New(c, d)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	transport := &http.Transport{}
	r.client = &http.Client{Transport: transport, Timeout: patience}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// base is the server's URL by address.
func (r *rig) base() string { return "http://" + r.Addr() }

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body []byte
}

func (a *answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("decoding %q: %v", a.body, err)
	}
}

// do sends a request and reads the answer, which it holds to the promises made for all answers.
func (r *rig) do(req *http.Request) *answer {
	r.t.Helper()
	if r.token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := &answer{Response: res, body: body}
	r.checkAnswer(req, a)
	return a
}

// call sends a request with an optional JSON body and expects a status.
func (r *rig) call(want int, method, path, body string) *answer {
	r.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, r.base()+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	a := r.do(req)
	if a.StatusCode != want {
		r.t.Fatalf("%s %s: got %d, want %d; body %s", method, path, a.StatusCode, want, a.body)
	}
	return a
}

// checkAnswer holds every answer to what the documentation says: an error is a problem that tells nothing internal, and
// JSON fits the schema of its operation.
func (r *rig) checkAnswer(req *http.Request, a *answer) {
	r.t.Helper()
	if bytes.Contains(a.body, []byte("10.0.0.7")) || bytes.Contains(a.body, []byte("goroutine ")) {
		r.t.Fatalf("%s %s leaks internal text: %s", req.Method, req.URL, a.body)
	}
	if a.Header.Get("X-Request-Id") == "" {
		r.t.Fatalf("%s %s: no request id", req.Method, req.URL)
	}
	if req.Method == http.MethodHead {
		return
	}
	if a.StatusCode >= 400 && !strings.HasSuffix(req.URL.Path, "z") && req.URL.Path != "/health" {
		if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
			r.t.Fatalf("%s %s: status %d came as %q: %s", req.Method, req.URL, a.StatusCode, kind, a.body)
		}
		var p huma.ErrorModel
		if err := json.Unmarshal(a.body, &p); err != nil || p.Status != a.StatusCode || p.Title == "" && p.Status != 499 {
			r.t.Fatalf("%s %s: bad problem %s (%v)", req.Method, req.URL, a.body, err)
		}
		return
	}
	r.checkSchema(req, a)
}

// checkSchema validates an answer against the OpenAPI description, where it describes one.
func (r *rig) checkSchema(req *http.Request, a *answer) {
	r.t.Helper()
	if a.Header.Get("Content-Type") != "application/json" {
		return
	}
	oapi := r.huma.OpenAPI()
	for path, item := range oapi.Paths {
		if !samePath(path, req.URL.EscapedPath()) {
			continue
		}
		op := map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		}[req.Method]
		if op == nil {
			continue
		}
		response := op.Responses[fmt.Sprint(a.StatusCode)]
		if response == nil {
			r.t.Fatalf("%s %s: status %d is not documented", req.Method, path, a.StatusCode)
		}
		var value any
		a.decode(r.t, &value)
		result := &huma.ValidateResult{}
		huma.Validate(oapi.Components.Schemas, response.Content["application/json"].Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, result)
		if len(result.Errors) > 0 {
			r.t.Fatalf("%s %s does not fit its schema: %v\n%s", req.Method, req.URL, result.Errors, a.body)
		}
		return
	}
}

// samePath reports whether a path fits a pattern; literal segments go before parameters in the pattern's favour.
func samePath(pattern, path string) bool {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] && !strings.HasPrefix(p[i], "{") {
			return false
		}
	}
	return true
}

// anomaly makes the anomaly of an offset of partition 0, one second of event time after the one before.
func anomaly(stream, entity string, offset int64, score float64) streams.Anomaly {
	source := streams.Position{Topic: stream, Offset: offset}
	return streams.Anomaly{
		ID: source.AnomalyID(stream), Stream: stream, Entity: entity, Timestamp: t0.Add(time.Duration(offset) * time.Second),
		Kind: streams.KindModel, Score: score, Severity: 10 * score, AlertScore: score, Features: map[string]float64{"cpu": 99.5},
		Votes: 2, Voters: 3, Needed: 2, Source: source,
		Detectors: []streams.DetectorVote{{Name: "iforest", Raw: .7, Score: score, Vote: true}, {Name: "lof", Raw: 3, Score: .2}},
		Why:       streams.Explanation{Sentence: "cpu is far above normal", Contributions: []streams.Contribution{{Feature: "cpu", Share: 1, Value: 99.5}}},
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
