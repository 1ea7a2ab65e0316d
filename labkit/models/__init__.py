"""The life of model versions: retrain, try on a share of the requests, promote, roll back."""
