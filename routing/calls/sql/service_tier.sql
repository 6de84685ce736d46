-- The service tier that a provider said it served an attempt at: flex, batch, priority, scale; empty for the ordinary one.
ALTER TABLE routing_attempt ADD COLUMN service_tier text NOT NULL DEFAULT '';
GRANT UPDATE (service_tier) ON routing_attempt TO :"app";
ALTER TYPE routing_settlement ADD ATTRIBUTE service_tier text;
