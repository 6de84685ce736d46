"""Addresses of the log under `/api/v1/`."""

from django.urls import path

from audit.api import exports, tiles, views

urlpatterns = [
    path("audit/entries/", views.Entries.as_view(), name="api-entries"),
    path("audit/entries/<id:entry>/", views.OneEntry.as_view(), name="api-entry"),
    path("audit/exports/", exports.Exports.as_view(), name="api-exports"),
    path("audit/receipts/<id:entry>/", views.Receipt.as_view(), name="api-receipt"),
    path("audit/checkpoint/", tiles.NewestCheckpoint.as_view(), name="api-checkpoint"),
    path("audit/checkpoint", tiles.CheckpointWithoutSlash.as_view(), name="api-checkpoint-c2sp"),
    path("audit/tile/<path:tile>/", tiles.Tile.as_view(), name="api-tile"),
    path("audit/tile/<path:tile>", tiles.TileWithoutSlash.as_view(), name="api-tile-c2sp"),
    path("audit/standing/", views.Standing.as_view(), name="api-standing"),
]
