// Package evaluate measures anomaly scores against labels: how well they rank, what the decisions are worth, how well
// the false-alarm rate is kept, whether attributions name the guilty features.
//
// Point-adjusted figures are left out on purpose: random scores reach high values with them. All measures judge the rows
// from Stream.From on. A row without a score ranks below every row with one and counts as not flagged.
package evaluate
