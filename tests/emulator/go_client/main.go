// A program that writes to a local Timestream and queries it with AWS SDK for Go v2.
//
// It is called with the endpoint URL and the name of a database, which it creates, and prints what
// it found as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/timestreamquery"
	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite"
	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite/types"
	endpoints "github.com/aws/smithy-go/endpoints"
)

const table = "servers"

type findings struct {
	Discovered string     `json:"discovered"`
	Ingested   int32      `json:"ingested"`
	Rejected   []int32    `json:"rejected"`
	Missing    bool       `json:"missing"`
	Pages      int        `json:"pages"`
	Rows       [][]string `json:"rows"`
}

// resolver sends every request to one URL. Unlike BaseEndpoint, it leaves endpoint discovery on.
type resolver struct{ url url.URL }

func (r resolver) ResolveEndpoint(
	context.Context, timestreamquery.EndpointParameters,
) (endpoints.Endpoint, error) {
	return endpoints.Endpoint{URI: r.url}, nil
}

func main() {
	found, err := run(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

func run(ctx context.Context, endpoint string, database string) (findings, error) {
	var found findings
	config := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}, nil
		}),
	}
	write := timestreamwrite.NewFromConfig(config)
	discovered, err := write.DescribeEndpoints(ctx, &timestreamwrite.DescribeEndpointsInput{})
	if err != nil {
		return found, err
	}
	found.Discovered = *discovered.Endpoints[0].Address
	if err = writeRecords(ctx, write, database, &found); err != nil {
		return found, err
	}

	address, err := url.Parse(endpoint)
	if err != nil {
		return found, err
	}
	config.BaseEndpoint = nil
	query := timestreamquery.NewFromConfig(config, func(options *timestreamquery.Options) {
		options.EndpointResolverV2 = resolver{*address}
		options.EndpointDiscovery.EnableEndpointDiscovery = aws.EndpointDiscoveryEnabled
	})
	return found, queryRecords(ctx, query, database, &found)
}

func writeRecords(
	ctx context.Context, write *timestreamwrite.Client, database string, found *findings,
) error {
	_, err := write.CreateDatabase(
		ctx, &timestreamwrite.CreateDatabaseInput{DatabaseName: &database})
	if err != nil {
		return err
	}
	_, err = write.CreateTable(ctx, &timestreamwrite.CreateTableInput{
		DatabaseName: &database, TableName: aws.String(table)})
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	request := timestreamwrite.WriteRecordsInput{
		DatabaseName: &database,
		TableName:    aws.String(table),
		CommonAttributes: &types.Record{
			Dimensions:       []types.Dimension{{Name: aws.String("host"), Value: aws.String("a")}},
			MeasureName:      aws.String("load"),
			MeasureValueType: types.MeasureValueTypeDouble,
			TimeUnit:         types.TimeUnitSeconds,
		},
		Records: []types.Record{single("1.5", now-2), single("2.5", now-1), single("3.5", now)},
	}
	answer, err := write.WriteRecords(ctx, &request)
	if err != nil {
		return err
	}
	found.Ingested = answer.RecordsIngested.Total

	request.Records = []types.Record{single("2.5", now-1), single("9.5", now)}
	_, err = write.WriteRecords(ctx, &request)
	var rejected *types.RejectedRecordsException
	if errors.As(err, &rejected) {
		for _, record := range rejected.RejectedRecords {
			found.Rejected = append(found.Rejected, record.RecordIndex)
		}
	}

	request.TableName = aws.String("nowhere")
	_, err = write.WriteRecords(ctx, &request)
	var missing *types.ResourceNotFoundException
	found.Missing = errors.As(err, &missing)
	return nil
}

func single(value string, seconds int64) types.Record {
	return types.Record{
		MeasureValue: aws.String(value), Time: aws.String(strconv.FormatInt(seconds, 10))}
}

func queryRecords(
	ctx context.Context, query *timestreamquery.Client, database string, found *findings,
) error {
	sql := fmt.Sprintf(
		`SELECT host, measure_value::double FROM "%s"."%s" ORDER BY time`, database, table)
	pages := timestreamquery.NewQueryPaginator(
		query, &timestreamquery.QueryInput{QueryString: &sql, MaxRows: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		found.Pages++
		for _, row := range page.Rows {
			texts := []string{}
			for _, datum := range row.Data {
				texts = append(texts, aws.ToString(datum.ScalarValue))
			}
			found.Rows = append(found.Rows, texts)
		}
	}
	return nil
}
