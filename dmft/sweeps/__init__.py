"""Any job at many parameter points: grids, workers, results; no system is known here."""
