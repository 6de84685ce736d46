"""The demo's two hundred calls at once on one small budget, and a counter beside it that looks before and adds after."""
