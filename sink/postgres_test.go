//go:build postgres

package sink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/pgtest"
	"anomalystream/streams"
)

// TestPostgres runs the conformance suite over a real Postgres.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	conformance(t, func(t *testing.T) *Store { return open(t, Config{URL: server.Database(t), MaxConnections: 4}) })
}

// TestUpgradePostgres brings a store of every earlier schema up to date; Grafana's role reads the new tables.
func TestUpgradePostgres(t *testing.T) {
	server := pgtest.Start(t)
	var dsn string
	upgrade(t, func(t *testing.T) Config {
		dsn = server.Database(t)
		return Config{URL: dsn, MaxConnections: 4}
	})
	s := open(t, Config{URL: dsn})
	for _, table := range []string{"incidents", "feedback"} {
		var may, change bool
		err := s.db.QueryRow(`SELECT has_table_privilege('grafana_reader', $1, 'SELECT'), has_table_privilege('grafana_reader', $1, 'INSERT, UPDATE, DELETE')`, table).Scan(&may, &change)
		if err != nil || !may || change {
			t.Errorf("grafana_reader and %s: may read %v, may change %v, %v", table, may, change, err)
		}
	}
}

// TestOpenAtOnce starts several processes' worth of stores on an empty database.
func TestOpenAtOnce(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	done := make(chan error)
	for range 6 {
		go func() {
			s, err := Open(t.Context(), Config{URL: dsn, MaxConnections: 2})
			if err == nil {
				err = errors.Join(s.Ping(t.Context()), s.Close())
			}
			done <- err
		}()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestSchemaTooNew gives the store a schema of a later binary.
func TestSchemaTooNew(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	s := open(t, Config{URL: dsn})
	if _, err := s.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{URL: dsn}); !errors.Is(err, ErrSchemaTooNew) || !strings.Contains(err.Error(), "99") {
		t.Errorf("got %v, want %v", err, ErrSchemaTooNew)
	}
}

// TestOwnerOnly opens the store as a user that owns its database and nothing else: it may not make roles.
func TestOwnerOnly(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	admin := open(t, Config{URL: server.Database(t)})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	role := "owner_of_" + strings.TrimPrefix(u.Path, "/")
	for _, statement := range []string{`CREATE ROLE ` + role + ` LOGIN PASSWORD 'p w'`, `ALTER DATABASE ` + strings.TrimPrefix(u.Path, "/") + ` OWNER TO ` + role} {
		if _, err := admin.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := admin.db.Exec(`DROP DATABASE ` + strings.TrimPrefix(u.Path, "/") + ` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		if _, err := admin.db.Exec(`DROP ROLE ` + role); err != nil {
			t.Error(err)
		}
	})
	u.User = url.User(role)
	s := open(t, Config{URL: u.String(), Password: "p w", GrafanaPassword: "g"})
	if w := write(t, s, Batch{Anomalies: samples(3)}); w.Anomalies != 3 {
		t.Errorf("%+v", w)
	}
	_ = s.Close()
}

// TestSecretsStayOut looks for the password in every error that opening can end with.
func TestSecretsStayOut(t *testing.T) {
	server := pgtest.Start(t)
	u, err := url.Parse(server.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "s3cr%zz@/t"
	wrong, away, inQuery := *u, *u, *u
	wrong.User = url.UserPassword("postgres", secret)
	away.User, away.Host = url.UserPassword("postgres", secret), "127.0.0.1:1"
	inQuery.User, inQuery.RawQuery = url.User("postgres"), url.Values{"password": {secret}, "sslmode": {"disable"}}.Encode()
	outside := *u
	outside.User = url.User("postgres")
	for name, c := range map[string]Config{
		"wrong":     {URL: wrong.String()},
		"away":      {URL: away.String()},
		"in query":  {URL: inQuery.String()},
		"no URL":    {URL: "postgres://postgres:" + secret + "@127.0.0.1:x/db"},
		"bad query": {URL: wrong.String() + "&sslmode=what"},
		"apart":     {URL: outside.String(), Password: secret},
	} {
		s, err := Open(t.Context(), c)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: it opened", name)
			continue
		}
		if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) || strings.Contains(text, "s3cr") {
			t.Errorf("%s: the password is in %q", name, text)
		}
	}
}

// TestDeleteBesideWrites deletes an anomaly while it is written again and again.
func TestDeleteBesideWrites(t *testing.T) {
	s := open(t, Config{URL: pgtest.Start(t).Database(t)})
	all := samples(40)
	write(t, s, Batch{Anomalies: all})
	stop := make(chan struct{})
	done := make(chan error)
	for range 3 {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if _, err := s.Write(context.Background(), &Batch{Anomalies: all}); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for i := range 20 {
		if err := s.Delete(context.Background(), all[i].ID, "alice"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := rowsOf(t, s, "anomalies"); n != 20 {
		t.Errorf("%d rows, want the 20 that nobody deleted", n)
	}
}

// TestTooManyPartitions writes wild event times: they are stored, and make a bounded number of partitions.
func TestTooManyPartitions(t *testing.T) {
	s := open(t, Config{URL: pgtest.Start(t).Database(t), Retention: 365 * 24 * time.Hour})
	var b Batch
	for i := range maxPartitions + 40 {
		a := sample(i)
		a.Timestamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 2 * week)
		b.Anomalies = append(b.Anomalies, a)
	}
	for i := 0; i < len(b.Anomalies); i += 20 {
		write(t, s, Batch{Anomalies: b.Anomalies[i:min(i+20, len(b.Anomalies))]})
	}
	if n := rowsOf(t, s, "anomalies"); n != len(b.Anomalies) {
		t.Errorf("%d rows, want %d", n, len(b.Anomalies))
	}
	if n := rowsOf(t, s, "anomalies_default"); n < 30 || n > 50 {
		t.Errorf("%d rows are in the default partition", n)
	}
	// Another process finds the weeks of the default partition taken, and writes there too.
	other := open(t, Config{URL: s.cfg.URL})
	if _, err := s.db.Exec(`DROP TABLE ` + partition{"anomalies", mustPartition(t, b.Anomalies[0].Timestamp).start}.name()); err != nil {
		t.Fatal(err)
	}
	again := b.Anomalies[len(b.Anomalies)-1]
	again.ID += "-other"
	write(t, other, Batch{Anomalies: []Emitted{again}})
	if n, err := s.Retain(t.Context(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil || n < maxPartitions {
		t.Fatalf("dropped %d, %v", n, err)
	}
	if st, err := s.Stats(t.Context()); err != nil || len(st) != 0 || rowsOf(t, s, "anomalies") != 0 || rowsOf(t, s, "anomaly_totals") != 0 {
		t.Errorf("after everything was dropped: %+v, %v", st, err)
	}
}

func mustPartition(t *testing.T, at time.Time) partition {
	t.Helper()
	p, ok := partitionOf("anomalies", at)
	if !ok {
		t.Fatalf("no partition of %s", at)
	}
	return p
}

// TestDropWaitsShortly keeps a query open: dropping gives up soon, so that it does not hold up the writers behind it.
func TestDropWaitsShortly(t *testing.T) {
	s := open(t, Config{URL: pgtest.Start(t).Database(t), Retention: time.Hour})
	write(t, s, Batch{Anomalies: samples(5)})
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM anomalies`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retain(t.Context(), epoch.Add(1000*time.Hour)); !refusedAs(err, "55P03") {
		t.Errorf("got %v, want a lock that was not had in time", err)
	}
	write(t, s, Batch{Anomalies: samples(9)})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retain(t.Context(), epoch.Add(1000*time.Hour)); err != nil || rowsOf(t, s, "anomalies") != 0 {
		t.Errorf("after the query: %v", err)
	}
}

// TestRefusals tells what Postgres never takes from what passes.
func TestRefusals(t *testing.T) {
	s := open(t, Config{URL: pgtest.Start(t).Database(t)})
	nul := sample(1)
	nul.Why.Sentence = "a\x00b"
	long := sample(2)
	var name strings.Builder
	for i := range 20_000 { // An index row must fit into a page; what compresses well fits.
		fmt.Fprintf(&name, "%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	long.Entity = name.String()
	var refused *RefusedError
	for name, a := range map[string]Emitted{"NUL": nul, "long": long} {
		if _, err := s.Write(t.Context(), &Batch{Anomalies: []Emitted{sample(5), a}}); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	if n := rowsOf(t, s, "anomalies"); n != 0 {
		t.Errorf("%d rows of refused batches", n)
	}
	for _, code := range []string{"53100", "25006", "57P01", "57014", "40P01", "55P03", "08006", "42P01", "42501"} {
		_, err := s.db.Exec(fmt.Sprintf(`DO $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '%s'; END $$`, code))
		if err = classify("writing", err); err == nil || errors.As(err, &refused) {
			t.Errorf("%s: got %v, want trouble that passes", code, err)
		}
	}
	if _, err := s.Anomalies(t.Context(), streams.AnomalyQuery{Stream: "\x00", Limit: 1}); err == nil {
		t.Error("a filter with NUL was taken")
	}
}
