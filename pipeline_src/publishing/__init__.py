"""Published results: the folders `results/published/<experiment>/` of this repository.

A published experiment is small enough for git. Its tables, claims and report are recomputed from it
without data and networks. A folder holds:

- `experiment.json`: the facts of the experiment (`facts`: methods, seeds, datasets, bins), its
  `params`, date, commit and versions of the last publishing (`made`), its `data` with hashes, the
  `groups` of images that are not independent, and `notes` on datasets. `files` has the SHA-256 of
  every file below, `digest` that of the content of experiment.json. `counts_in` names methods whose
  counts are in the file of another experiment: the same networks.
- `counts.zip`: the counts of all runs on all datasets, a member for each run.
  `pipeline_src/publishing/compact.py` describes the arrays and what is exact;
  `CountsFile(path).read(dataset, method, seed)` returns the counts.
- `runs.zip`: `METHOD/seedN/history.csv` of every trained network, a row for each epoch,
  `METHOD/seedN/code.txt`, the digest of the code that trained it (earlier versions did not record
  it), and `METHOD/seedN/alpha.csv` of methods that learn perturbation levels, a row for each image
  and a column for each epoch, rounded to 4 digits.
- `metrics.json`: protocol -> method -> dataset -> metric -> mean and sd over seeds and the 95 %
  confidence limits.
- `tables.md`: all tables as they are printed. `tables.zip`: the same as CSV files with all digits;
  `main.csv` has all metrics, a row for each protocol, dataset, method and seed.
- `claims.json`, `claims.md`: the verdicts on the paper's claims and the numbers behind them.
- `report.html` of `evidence`, `mini_seeds` and `new_seeds`; `rebuild --report` writes other
  reports to results/published-rebuilt/.

The first three files are sources. `rebuild` computes the others from them and compares numbers:
they are equal up to 1e-9 or one unit in the eighth digit. `rebuild --write` replaces the computed
files. `overview/` has the tables that span the published experiments.

Modules: `publish` writes a folder from a finished experiment, `published` reads and checks it,
`rebuild` recomputes it, and `compare` compares two experiments or methods. `compact` rounds counts,
`counts_file` stores them, and `archives` reads and writes ZIP archives.
"""
