"""Owns what is measured of an answer before anybody sees it: validators, confidence, and the judgement that weighs them."""
